"""The random generators inside somebody else's object: found, and given a seed of ours."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

_LEAVES = (type, FunctionType, MethodType, ModuleType)


def reseed(thing: Any, key: Sequence[int]) -> None:
    """Seed every generator that an object (or an object that is its attribute) holds: the same key, the same draws.

    Knows `numpy.random.RandomState`, `numpy.random.Generator` and `random.Random`. Draws from the global generators of
    numpy and Python are out of reach.

    >>> rng = np.random.RandomState()
    >>> reseed(rng, [7, 1]); first = rng.rand(); reseed(rng, [7, 1]); first == rng.rand()
    True
    """
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    for generator in _generators(thing, set()):
        if isinstance(generator, np.random.Generator):
            bits = generator.bit_generator
            bits.state = type(bits)(seed).state
        else:
            generator.seed(seed)


def _generators(thing: Any, seen: set[int]) -> Iterator[Any]:
    if id(thing) in seen or isinstance(thing, _LEAVES):
        return
    seen.add(id(thing))
    if isinstance(thing, (np.random.RandomState, np.random.Generator, random.Random)):
        yield thing
        return
    attributes = getattr(thing, "__dict__", None)
    if not isinstance(attributes, dict):
        return
    # Optuna's are made at their first use, by the property `rng`.
    for value in (getattr(thing, "rng", None), *list(attributes.values())):
        yield from _generators(value, seen)
