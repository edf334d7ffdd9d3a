"""The suite itself is tried: without one of the product's guards, a test of it must fail."""

import os
import signal
import subprocess
import sys

import pytest

from .breaks import BREAKS
from .scene import TESTS

pytestmark = pytest.mark.slow

NOTICED_BY = {
    "no_request_id": "test_kills.py::test_a_hub_dies_at_any_point[CLAIMED-after the commit]",
    "no_fence": "test_freezes.py::test_a_zombie_that_wakes_amid_the_next_attempt[sqlite]",
    "lease_after_the_claim": "test_freezes.py::test_a_zombie_is_fenced_out[sqlite-CLAIMED]",
    "the_dead_are_not_seen": "test_kills.py::test_an_agent_dies_at_any_point[sqlite-CLAIMED-after the commit]",
    "what_the_dead_logged_is_left": "test_kills.py::test_an_agent_dies_at_any_point[sqlite-LOGGED_SUMMARY-before the commit]",
    "every_attempt_is_the_first": "test_kills.py::test_an_agent_dies_at_any_point[sqlite-LOGGED_SUMMARY-after the commit]",
    "leases_by_the_wall_clock": "test_freezes.py::test_a_clock_that_is_set[1]",
    "no_self_freeze_rule": "test_freezes.py::test_a_machine_that_sleeps",
    "the_disk_refuses_and_rows_are_dropped": "test_disks.py::test_a_disk_that_fills_up_under_a_sweep",
    "late_orders_count": "../store/test_remote.py::test_an_order_that_was_given_up_undoes_no_later_one[3]",
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """The named test on each broken build; they wait more than they work, so all at once."""
    started = {broken: _try(broken, tmp_path_factory.mktemp(broken)) for broken in BREAKS}
    yield started
    for run in started.values():
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def _try(broken, folder):
    test = str(TESTS / "faults" / NOTICED_BY[broken])
    limit = ["--timeout=25", "-o", "timeout_func_only=true"]  # of the test, and not of the report that it failed
    options = ["-q", "-p", "no:cacheprovider", "-p", "faults.breaks", *limit, f"--basetemp={folder / 'run'}"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, test],
        env={**os.environ, "FAULTS_BREAK": broken, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))},
        cwd=TESTS.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("broken", BREAKS)
def test_a_build_without_this_guard_is_noticed(trials, broken):
    """The named test fails with it. (Without a break it passes: it is one of this suite.)"""
    run = trials[broken]
    out, _ = run.communicate(timeout=240)
    print(out)
    assert "1 failed" in out
    assert 1 == run.returncode
