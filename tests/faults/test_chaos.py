"""Twenty seconds of chaos. Longer ones by hand: `make chaos SECONDS=600 SEED=7`."""

import pytest

from .chaos import chaos


@pytest.mark.slow
def test_twenty_seconds_of_chaos(scene):
    """Whoever is killed, told to end or frozen: nothing is lost, done twice, stuck or left behind."""
    print(chaos(scene, 20, seed=1))
