"""Between agents and their hub: calls and answers are lost, late, torn, repeated and out of order.

Verb by verb: tests/store/test_remote.py. Proxies: tests/hub/test_proxies.py. Cut connections to PostgreSQL:
tests/store/test_postgres.py.
"""

import random

import pytest
from store.relay import Relay

pytestmark = pytest.mark.slow

FAULTS = ["lost call", "lost answer", "twice", "twice in a row", "torn answer", "bad gateway", 1, 2, 5]
"""See `Relay`; a number: the call arrives after so many later ones."""


@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_does_all_of_it_costs_nothing(scene, seed):
    """Every third call meets a fault: each run is begun once, and every point is there once."""
    chance = random.Random(seed)
    scene.last(rows=12, pause_s=0.03)
    scene.hub()
    with Relay(scene.port) as relay:
        agents = scene.wandb.agent(scene.link(relay.port), function=scene.ledger.training(), agents=2, block=False)
        relay.plan([chance.choice(FAULTS) if chance.random() < 0.3 else None for _ in range(1000)])
        assert agents.wait(60)
        relay.deliver_late_ones()
        met = 1000 - len(relay.faults)
    assert met > 20, "too few calls: this test has shown nothing"
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()
