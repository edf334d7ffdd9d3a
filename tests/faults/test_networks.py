"""Between agents and their hub: calls and answers are lost, late, torn, repeated and out of order.

Verb by verb: tests/store/test_remote.py. Proxies: tests/hub/test_proxies.py. Cut connections to PostgreSQL:
tests/store/test_postgres.py.
"""

import random
from collections import defaultdict

import pytest
from store.relay import Relay

pytestmark = pytest.mark.slow

FAULTS = ["lost call", "lost answer", "twice", "twice in a row", "torn answer", "bad gateway", 1, 2, 5]
"""See `Relay`; a number: the call arrives after so many later ones."""
AGENTS_CALLS = {"claim", "log", "finish"}


@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_does_all_of_it_costs_nothing(scene, seed):
    """Two of five calls meet a fault, whichever verb it is: each run is begun once, and every point is there once."""
    chances = defaultdict(lambda: random.Random(seed))  # by verb: how many calls there are of others does not matter

    def choose(verb):
        chance = chances[verb]
        return chance.choice(FAULTS) if chance.random() < 0.4 else None

    scene.cells = 8
    scene.create()
    scene.last(rows=12, pause_s=0.03)
    scene.hub()
    with Relay(scene.port) as relay:
        relay.choose = lambda verb: choose(verb) if verb in AGENTS_CALLS else None  # not what agent() itself asks first
        agents = scene.wandb.agent(scene.link(relay.port), function=scene.ledger.training(), agents=2, block=False)
        relay.choose = choose
        assert agents.wait(60)
        relay.choose = lambda verb: None
        relay.deliver_late_ones()
    assert AGENTS_CALLS <= {verb for verb, _ in relay.met}, "this test has shown nothing"
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()
