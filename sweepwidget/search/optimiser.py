"""What counts as an optimiser that a sweep can replay (see replay.py), told by its looks: nothing is imported for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np


def is_optimiser(search: Any) -> bool:
    """Whether it is something to replay: a sampler of Optuna, anything with ask and tell, or a function that makes one
    (one that cannot be called as `search(config, runs)`, which would be a search function).
    """
    if is_sampler(search) or asks_and_tells(search):
        return True
    if isinstance(search, type) or not callable(search) or hasattr(search, "next_run"):
        return False
    return not takes(search, {}, [])


def is_sampler(thing: Any) -> bool:
    """Whether it is a sampler of Optuna, or the class of one (without importing Optuna)."""
    kind = thing if isinstance(thing, type) else type(thing)
    return any(f"{base.__module__}.{base.__name__}" == "optuna.samplers._base.BaseSampler" for base in kind.__mro__)


def asks_and_tells(thing: Any) -> bool:
    """Whether it (or, if it is a class, an object of it) has `ask` and `tell`."""
    return callable(getattr(thing, "ask", None)) and callable(getattr(thing, "tell", None))


def takes(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Whether it can be called like that."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        return True
    return True


def made(given: Any, dimension: int) -> Any:
    """The optimiser itself, for a space of that many searched parameters."""
    if not isinstance(given, type) and (is_sampler(given) or asks_and_tells(given)):
        return given
    if isinstance(given, type) and takes(given, mean=None, sigma=None) and not takes(given):  # those of cmaes
        return given(mean=np.full(dimension, 0.5), sigma=0.3, bounds=np.tile([0.0, 1.0], (dimension, 1)))
    return given() if takes(given) else given(dimension)


def called(given: Any) -> str:
    """What to call it in a message."""
    return str(getattr(given, "__name__", type(given).__name__))
