"""Sweeps that happen step by step in memory: the runs of a mirror arrive, log, end, are requeued, edited and deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve
from hypothesis import strategies as st

from sweepwidget.columns import column
from sweepwidget.model import ENDED, Changes, Chunk, Cursor, Run, RunId, RunState
from sweepwidget.runs import Goal, Runs


class Story:
    """A mirror, and the verbs that happen to it. Runs are picked by any integer, which is taken modulo how many there are.

    With several goals, a logged value is that of the first; the others' are its negative, and all stand in the summary.
    """

    def __init__(
        self, goal: Goal | None = None, mirror: Callable[..., Runs] = Runs, goals: Sequence[Goal] = ()
    ) -> None:
        self.runs = mirror(goal, goals) if goals else mirror(goal)
        self.numbers = 0

    def add(self, config: Mapping[str, Any], state: RunState = RunState.pending) -> Run:
        self.numbers += 1
        run = Run(RunId(f"r{self.numbers}"), None, self.numbers, dict(config), state)
        self._change(run)
        return run

    def start(self, pick: int) -> None:
        self._evolve(self._pick(pick), state=RunState.running)

    def log(self, pick: int, values: Sequence[float]) -> None:
        if not (run := self._pick(pick, RunState.running)):
            return
        logged = {goal.metric: [-v if i else v for v in values] for i, goal in enumerate(self.runs.goals)}
        chunks = (Chunk(run.id, run.attempt, name, column(range(len(of)), of)) for name, of in logged.items())
        self.runs.apply(Changes(Cursor(), chunks=tuple(chunks)))
        if len(logged) > 1:
            self._evolve(run, summary={name: of[-1] for name, of in logged.items()})

    def end(self, pick: int, state: RunState) -> None:
        self._evolve(self._pick(pick), state=state)

    def requeue(self, pick: int) -> None:
        if run := self._pick(pick, RunState.running):
            self._evolve(run, state=RunState.pending, attempt=run.attempt + 1)

    def edit(self, pick: int, config: Mapping[str, Any]) -> None:
        self._evolve(self._pick(pick), config=dict(config))

    def delete(self, pick: int) -> None:
        known = list(self.runs)
        if known:
            self._change(evolve(known[pick % len(known)], deleted=True))

    def _pick(self, pick: int, *states: RunState) -> Run | None:
        runs = [run for run in self.runs.active.values() if not states or run.state in states]
        return runs[pick % len(runs)] if runs else None

    def _evolve(self, run: Run | None, **changes: Any) -> None:
        if run is not None:
            self._change(evolve(run, **changes))

    def _change(self, run: Run) -> None:
        self.runs.apply(Changes(Cursor(), runs=(run,)))


def copy(runs: Runs, order: Callable[[list[Run]], list[Run]] = list) -> Runs:
    """Another mirror of the same rows and values, whose rows arrive in another order."""
    rows = order(list(runs))
    other = Runs(runs.goal, runs.goals)
    chunks = [
        Chunk(run.id, run.attempt, goal.metric, column(range(len(costs)), map(goal.cost, costs.tolist())))
        for run in rows
        for goal in runs.goals
        if len(costs := runs.costs(run.id, goal))
    ]
    other.apply(Changes(Cursor(), runs=tuple(rows), chunks=tuple(chunks)))
    return other


picks = st.integers(0, 1000)
ends = st.sampled_from(sorted(ENDED))


@st.composite
def conditional_sections(draw: st.DrawFn, continuous: bool = False) -> dict[str, Any]:
    """A `parameters` section of up to seven parameters, most of which are there only for certain values of others."""
    names = draw(st.permutations("abcdefg"))[: draw(st.integers(1, 7))]
    section: dict[str, Any] = {}
    for i, name in enumerate(names):
        kinds = [
            {"values": ["x", 0, None][: draw(st.integers(1, 3))]},
            {"min": 1, "max": draw(st.integers(2, 4))},
            {"distribution": "q_uniform", "min": 0.1, "max": 0.5, "q": 0.1},
            {"value": 7},
        ]
        section[name] = draw(st.sampled_from([*kinds, {"min": 0.0, "max": 1.0}] if continuous else kinds))
        asked = draw(st.lists(st.sampled_from(names[:i]), max_size=2, unique=True)) if i else []
        condition = {
            parent: draw(_some_values(section[parent])) for parent in asked if section[parent].get("max") != 1.0
        }
        if condition:
            section[name] = {**section[name], "condition": condition}
    return dict(sorted(section.items()))


def _some_values(spec: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "value" in spec:
        return st.just(spec["value"])
    values = spec.get("values") or ([0.1, 0.2, 0.3, 0.4] if "q" in spec else list(range(1, spec["max"] + 1)))
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True) | st.sampled_from(values)
