"""What the page looks up when somebody asks for it: a run in full, figures, files. (result, buffer) each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..export import as_csv, as_yaml, leaves, records
from ..model import Run, Sweep
from ..provenance import code_name
from ..store import Store
from .drafts import as_python
from .messages import clean, plain
from .reproduction import cell, code_now

OUTPUT = 64 * 1024
"""Bytes of a run's output that are shown: its end."""
FIGURES = ("curves", "history", "parallel_coordinates", "importance", "slice", "contour", "timeline", "edf", "pareto")


def detail(store: Store, run: Run) -> dict[str, Any]:
    """`RunDetail` of protocol.ts."""
    text = store.recall(run.provenance) if run.provenance else ""
    facts = json.loads(text) if text else {}
    output, cut = _tail(store.folder / "runs" / run.id / "output.log")
    return {
        "id": run.id,
        "number": run.number,
        "name": clean(run.name or run.id),
        "state": run.state.value,
        "attempt": run.attempt,
        "config": plain(run.config),
        "summary": plain(run.summary),
        "info": plain(run.info),
        "why": clean(str(run.info.get("why", ""))),
        "error": clean(run.error),
        "output": output,
        "output_cut": cut,
        "stop_reason": clean(run.stop_reason),
        "exit_code": run.exit_code,
        "seed": run.seed,
        "notes": clean(run.notes),
        "tags": [clean(tag) for tag in run.tags],
        "agent": run.agent_id,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "config_version": run.config_version,
        "metrics": [clean(".".join(path)) for path, value in leaves(run.summary) if isinstance(value, (int, float))],
        "provenance": plain(facts),
        "code": clean(code_name(text or "")),
        "code_now": clean(code_now(facts)),
        "cell": cell(run, facts),
    }


def _tail(path: Path) -> tuple[str, bool]:
    """The end of a file, and whether something is missing before it."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, io.SEEK_END)
            log.seek(max(size - OUTPUT, 0))
            text = log.read(OUTPUT).decode("utf-8", "replace")
    except OSError:
        return "", False
    return (text, False) if size <= OUTPUT else (text.partition("\n")[2] or text, True)


def versions(store: Store, sweep: Sweep) -> tuple[Any, bytes]:
    """Every configuration that was in force."""
    return {"configs": [{"version": n, "config": plain(config)} for n, config in store.configs(sweep.id)]}, b""


def figure(store: Store, sweep: Sweep, name: Any, options: Any) -> tuple[Any, bytes]:
    """A figure as plotly's JSON, in the buffer."""
    if name not in FIGURES:
        raise UsageError(f"there is no figure {name!r:.40}; there are {', '.join(FIGURES)}")
    if not isinstance(options or {}, dict):
        raise UsageError("figure: options is an object")
    from .. import plot
    from ..public import PublicSweep

    draw, given = getattr(plot, name), options or {}
    known = [option for option in signature(draw).parameters if option != "sweep"]
    if unknown := given.keys() - known:
        raise UsageError(f"figure {name} has no option {min(unknown)!r:.40}; it has {', '.join(known) or 'none'}")
    made = draw(PublicSweep(store, sweep.id), **given)
    return {"name": name}, made.to_json().encode("utf-8", "backslashreplace")


# -- files ------------------------------------------------------------------------------------------------------------

_MIME = {
    "report": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "yaml": "application/yaml",
    "python": "text/x-python",
}
_SUFFIX = {"report": "html", "csv": "csv", "json": "json", "yaml": "yaml", "python": "py"}


def export(store: Store, sweep: Sweep, kind: Any) -> tuple[Any, bytes]:
    """A file: everything on one page (report), all runs (csv, json), or the configuration (yaml, python)."""
    if kind not in _MIME:
        raise UsageError(f"there is no export {kind!r:.40}; there are {', '.join(_MIME)}")
    text = _WRITERS[kind](store, sweep)
    filename = f"sweep-{sweep.id}.{_SUFFIX[kind]}"
    return {"filename": filename, "mime": _MIME[kind]}, text.encode("utf-8", "backslashreplace")


def _report(store: Store, sweep: Sweep) -> str:
    from .. import report
    from ..public import PublicSweep

    return report.html(PublicSweep(store, sweep.id))


_WRITERS: Mapping[str, Callable[[Store, Sweep], str]] = {
    "report": _report,
    "csv": lambda store, sweep: as_csv(store.runs(sweep.id)),
    "json": lambda store, sweep: as_json(store.runs(sweep.id)),
    "yaml": lambda _, sweep: as_yaml(sweep.config),
    "python": lambda _, sweep: as_python(sweep.config),
}


def as_json(runs: Any) -> str:
    """A list of runs, as `Api().runs()` shows them."""
    return json.dumps([plain(record) for record in records(runs)], indent=1)
