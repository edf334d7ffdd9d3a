"""When an agent gives up: the counts and the words of W&B (reference §1.2)."""

import pytest

from sweepwidget.failures import failure_rules
from sweepwidget.model import RunState

FAILED, FINISHED = RunState.failed, RunState.finished


def endings(rules, states, seconds_each=0.0):
    """The index (from 1) of the run after which the rules say stop, and what they say."""
    for i, state in enumerate(states, 1):
        if why := rules.after(state, now=i * seconds_each):
            return i, why
    return None, ""


def rules(inclusive=False, max_consecutive=None, **env):
    return failure_rules(0.0, max_consecutive, inclusive=inclusive, env=env)


def test_three_failures_in_a_minute_stop_the_agent():
    """Flapping: cumulative, not consecutive, within 60 s of the start."""
    nth, why = endings(rules(), [FAILED, FINISHED, FAILED, FINISHED, FAILED])
    assert 5 == nth
    assert "Detected 3 failed runs in the first 60 seconds, killing sweep." in why
    assert "WANDB_AGENT_DISABLE_FLAPPING=true" in why


def test_slow_failures_do_not_flap():
    """Failures later than a minute after the start are no flapping, and one success lifts the initial rule for good."""
    assert (None, "") == endings(rules(), [FINISHED] + [FAILED] * 20, seconds_each=40)


def test_flapping_can_be_disabled():
    """WANDB_AGENT_DISABLE_FLAPPING leaves the rule about initial failures."""
    nth, why = endings(rules(WANDB_AGENT_DISABLE_FLAPPING="true"), [FAILED] * 10)
    assert 6 == nth
    assert "Detected 5 failed runs in a row at start, killing sweep." in why


@pytest.mark.parametrize(("maximum", "nth"), [("5", 6), ("1", 2), ("0", 1), ("many", 6)])
def test_initial_failures(maximum, nth):
    """More failures than the maximum before any success stop the agent; an unparsable maximum means 5."""
    found, _ = endings(
        rules(WANDB_AGENT_MAX_INITIAL_FAILURES=maximum, WANDB_AGENT_DISABLE_FLAPPING="true"), [FAILED] * 10
    )
    assert nth == found


def test_the_program_agent_stops_at_the_fifth():
    """The command-line agent counts inclusively, and lets successes outweigh failures."""
    slow = rules(inclusive=True, WANDB_AGENT_DISABLE_FLAPPING="true")
    assert 5 == endings(slow, [FAILED] * 10)[0]
    slow = rules(inclusive=True, WANDB_AGENT_DISABLE_FLAPPING="true")
    assert (None, "") == endings(slow, [FINISHED] * 11 + [FAILED] * 10)


def test_consecutive_failures():
    """`max_consecutive_failed_runs` is reset by a success."""
    limited = rules(max_consecutive=2, WANDB_AGENT_DISABLE_FLAPPING="true")
    nth, why = endings(limited, [FAILED, FINISHED, FAILED, FAILED])
    assert 4 == nth
    assert "Detected 2 consecutive failed runs, killing sweep." == why


def test_stopped_and_killed_runs_are_no_failures():
    """Early stopping and the user's own stops count neither way."""
    assert (None, "") == endings(rules(), [RunState.stopped, RunState.killed] * 10)


@pytest.mark.parametrize(("value", "error"), [("2", TypeError), (True, TypeError), (1.5, TypeError), (0, ValueError)])
def test_bad_limits_are_refused(value, error):
    """TypeError for what is no integer, ValueError below 1."""
    with pytest.raises(error, match="max_consecutive_failed_runs"):
        failure_rules(0.0, value, inclusive=False, env={})
