"""Loops as jobs of a batch system (SLURM) through submitit, one job each; the job's log is in submitit's folder."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

from attrs import frozen

from ...model import Process
from .futures import cancel

POLL_S = 0.5


@frozen
class Requeued:
    """A loop that submitit requeues as it was when its job reaches the time limit: what it has done is in the store."""

    loop: Callable[[bytes], Any]

    def __call__(self, payload: bytes) -> Any:
        return self.loop(payload)

    def checkpoint(self, payload: bytes) -> Any:
        from submitit.helpers import DelayedSubmission

        os.umask(0o077)  # it is written anew; this job's process ends then
        return DelayedSubmission(self, payload)


class SubmititEngine:
    """A submitit executor. Its jobs outlive this process, and are requeued or begun anew when they are preempted."""

    name = "submitit"
    tied = closed = False

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._jobs: dict[Future[Any], Any] = {}
        # submitit's own words for "this job is about to be taken away"; plain SIGTERM it lets pass.
        self.preemption: tuple[str, ...] = ("SIGTERM", "SIG" + os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2"))

    def submit(self, loop: Callable[[bytes], Any], payload: bytes) -> Future[Any]:
        job = self._executor.submit(Requeued(loop), payload)
        with contextlib.suppress(OSError):  # begun, and tidied away by whoever runs it
            job.paths.submitted_pickle.chmod(0o600)  # it holds the store's link; submitit lets everybody read it
        future: Future[Any] = Future()
        self._jobs[future] = job
        name = f"sweepwidget-submitit-{job.job_id}"
        threading.Thread(target=self._follow, args=(future, job), name=name, daemon=True).start()
        return future

    def withdraw(self, future: Future[Any]) -> None:
        job = self._jobs.get(future)
        if job is not None and job.state not in ("RUNNING", "COMPLETING"):
            self._cancel(future, job)

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        job = self._jobs.get(future)
        if job is not None:
            self._cancel(future, job)
        return job is not None

    def _cancel(self, future: Future[Any], job: Any) -> None:
        job.cancel(check=False)
        cancel(future)

    def shutdown(self) -> None:
        """Nothing is ours."""

    def _follow(self, future: Future[Any], job: Any) -> None:
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        try:
            while not job.done():
                if ended.wait(POLL_S):
                    return
            error = job.exception()
            result = None if error is not None else job.results()[0]
        except Exception as trouble:  # noqa: BLE001  whatever the batch system says, this job is not to be seen any more
            error, result = trouble, None
        finally:
            self._jobs.pop(future, None)
        with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
