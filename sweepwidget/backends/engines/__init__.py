"""Engines: somebody else's cluster, on which whole agent loops run.

An engine only takes a loop to a worker and says when it has ended; what a loop does, and that it ends, is the store's matter
(`cancel()` of a running loop says True on most engines while the loop goes on). They are recognised by the names of their
types: nothing is imported that the user has not imported. New engine: a new file, and one line in `_ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from importlib.util import find_spec
from typing import Any, Protocol

from ...errors import UsageError
from ...model import Process
from .clients import DaskEngine, IPyParallelEngine
from .pool import PoolEngine
from .ray import RayEngine
from .submitit import SubmititEngine

Loop = Callable[[bytes], Any]
"""An importable function, so that every engine can pickle it; what it returns must be picklable, too."""


class Engine(Protocol):
    """Takes loops to workers. Its calls may block for as long as the engine takes to answer."""

    name: str
    """What the user calls it."""
    tied: bool
    """Its workers are children of this process, and nobody else ends them when it dies."""
    preemption: tuple[str, ...]
    """Names of the signals that a worker gets when it is about to be taken away."""

    @property
    def closed(self) -> bool:
        """Whether it can no longer tell of its loops, nor take others: its client was closed. They may go on."""

    def submit(self, loop: Loop, payload: bytes) -> Future[Any]:
        """Have a worker call `loop(payload)`. An error of the future means that the worker was lost.

        UsageError, saying what to do, if the engine takes nothing more.
        """

    def withdraw(self, future: Future[Any]) -> None:
        """Take back a loop that no worker has begun. One that runs is left to its end, as far as the engine can tell."""

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        """End the loop that runs in `process`, whatever its code is doing. False: this engine cannot."""

    def shutdown(self) -> None:
        """Let go of what we made ourselves; never of the user's cluster. Harmless when repeated."""


def engine_for(backend: Any) -> Engine | None:
    """The engine of what the user gave as `backend=`; None if it is none.

    UsageError for engines by name that need an object, that are not installed, or that cannot be used (MPI).

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> engine_for(ThreadPoolExecutor(2)).name
    'ThreadPoolExecutor'
    >>> engine_for("thread")
    """
    if isinstance(backend, str):
        return _named(backend)
    if getattr(backend, "__name__", "") == "ray" and type(backend).__name__ == "module":
        return RayEngine()
    if _is_ray_decorator(backend):
        return RayEngine(backend)
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in type(backend).__mro__}
    if any(module == "mpi4py" for module, _ in bases):
        raise UsageError(_INSTEAD["mpi"])
    for base, engine in _ENGINES.items():
        if base in bases:
            return engine(backend)
    return PoolEngine(backend) if isinstance(backend, Executor) else None


_ENGINES: Mapping[tuple[str, str], Callable[[Any], Engine]] = {
    ("distributed", "Client"): DaskEngine,
    ("distributed", "Cluster"): DaskEngine,
    ("distributed", "ClientExecutor"): DaskEngine,
    ("ipyparallel", "Client"): IPyParallelEngine,
    ("ipyparallel", "View"): IPyParallelEngine,
    ("ipyparallel", "ViewExecutor"): IPyParallelEngine,
    ("ipyparallel", "Cluster"): IPyParallelEngine,
    ("submitit", "Executor"): SubmititEngine,
}
"""(package, a class among the type's bases) → engine."""

_INSTEAD = {
    "dask": "give agent() the Dask client or cluster itself: backend=dask.distributed.Client(…)",
    "distributed": "give agent() the Dask client or cluster itself: backend=dask.distributed.Client(…)",
    "ipyparallel": "give agent() the ipyparallel client itself: backend=ipyparallel.Client()",
    "submitit": 'give agent() the submitit executor itself: backend=submitit.AutoExecutor("logs")',
    "slurm": 'for SLURM give agent() a dask_jobqueue.SLURMCluster or backend=submitit.AutoExecutor("logs")',
    "loky": "give agent() the executor itself: backend=loky.get_reusable_executor(max_workers=4)",
    "process": "for processes use backend='kernel', or give agent() a concurrent.futures.ProcessPoolExecutor",
    "mpi": "agents cannot run on an MPI pool: one lost rank takes the whole job along, this process included. Start an agent "
    "in each rank instead: `mpirun -n 40 sweepwidget agent LINK`",
}
_EXTRAS = {"dask": "dask", "distributed": "dask", "ipyparallel": "ipyparallel", "submitit": "submitit"}


def _named(name: str) -> Engine | None:
    if name == "ray":
        _check_installed("ray", "ray")
        return RayEngine()
    if name in _EXTRAS:
        _check_installed("distributed" if name == "dask" else name, _EXTRAS[name])
    if name in _INSTEAD:
        raise UsageError(_INSTEAD[name])
    return None


def _check_installed(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise UsageError(f'{extra} is not installed here: pip install "sweepwidget[{extra}]"')


def _is_ray_decorator(backend: Any) -> bool:
    """`ray.remote(num_gpus=1)`: what each loop is to have."""
    function = getattr(backend, "func", None)
    return getattr(function, "__module__", "").startswith("ray.") and isinstance(
        getattr(backend, "keywords", None), dict
    )
