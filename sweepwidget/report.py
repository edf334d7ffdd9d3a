"""A sweep as one HTML file that needs nothing else: to be kept, mailed, printed. It fetches nothing, now or ever.

Every text in it is somebody's data, and stands there escaped; a content security policy forbids the page all network
access besides. plotly.js is there once, compressed, and its version is that of the plotly that made the figures.
"""

from __future__ import annotations

import base64
import gzip
import json
import pprint
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from . import plot
from .export import as_yaml
from .model import Run, RunState
from .plot.look import STATES, run_color, spans
from .plot.subject import Subject, values
from .progresstext import duration, number
from .runs import headline, summary_value

TOP = 20
"""Runs in the table of the best ones."""
COLUMNS = 10
"""Parameters of that table."""
MISHAPS = 5
"""Different errors that are told."""
_CELL = 60


def html(sweep: Any, metric: str | None = None, now: float | None = None) -> str:
    """The page, as a string of some 2 MB. `sweep` and `metric` are as for `plot.history`; `now` is unix seconds."""
    subject = Subject.read(sweep)
    if metric is not None or subject.goal is not None:
        metric = subject.metric(metric)
    elif subject.metrics:
        metric = subject.metrics[0]
    title = subject.config.name or subject.sweep.id
    parts = [
        f"<h1>{_text(title)}</h1>",
        _summary(subject, time.time() if now is None else now),
        _best(subject),
        *_figures(subject, metric),
        _table(subject, metric),
        _mishaps(subject),
        _given(subject),
    ]
    return _PAGE.format(title=_text(title), style=_STYLE, body="\n".join(filter(None, parts)), script=_SCRIPT)


def _text(value: Any, width: int | None = None) -> str:
    said = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in str(value))
    return escape(said if width is None or len(said) <= width else f"{said[:width]}…")


# -- words ------------------------------------------------------------------------------------------------------------


def _summary(subject: Subject, now: float) -> str:
    sweep, runs = subject.sweep, subject.runs
    counts = Counter(run.state for run in runs)
    states = ", ".join(f"{counts[state]} {word}" for state, (word, _, _) in STATES.items() if counts[state])
    begun = min((run.started_at for run in runs if run.started_at), default=None)
    ended = max((run.ended_at or now for run in runs), default=now)
    worked = sum((run.ended_at or now) - (run.started_at or now) for run in runs)
    goals = ", ".join(f"{'maximize' if goal.maximize else 'minimize'} {goal.metric}" for goal in subject.config.goals)
    agents = {run.agent_id for run in runs if run.agent_id}
    facts = {
        "Sweep": sweep.id,
        "State": f"{sweep.state.value}{f': {sweep.reason}' if sweep.reason else ''}",
        "Search": ", ".join(filter(None, [subject.config.method, goals])),
        "Runs": f"{len(runs)}{f' ({states})' if states else ''}",
        "Time": f"{duration(ended - begun)}, {duration(worked)} of work by {len(agents)} agents" if begun else "",
        "Description": subject.config.description or "",
        "Written": time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{_text(fact, 2000)}</dd>" for name, fact in facts.items() if fact)
    return f"<dl>{rows}</dl>"


def _best(subject: Subject) -> str:
    best = subject.best
    if best is None or subject.goal is None:
        return '<p class="hint">No run has come to a result yet.</p>' if subject.goal is not None else ""
    value = summary_value(best.summary, subject.goal.metric)
    config = pprint.pformat(dict(best.config), sort_dicts=False, width=88).replace("\n", "\n" + len("config = ") * " ")
    return (
        f"<h2>Best run</h2><p><b>{_text(best.name or best.id)}</b>: {_text(subject.goal.metric)} "
        f"<b>{number(value)}</b></p>{_code(f'config = {config}')}"
    )


def _code(text: str) -> str:
    return f'<div class="code"><button type="button">Copy</button><pre>{_text(text)}</pre></div>'


def _table(subject: Subject, metric: str | None) -> str:
    """The best runs, or the latest where nobody knows what is best."""
    shown = subject.ranked(TOP) or list(reversed(subject.runs[-TOP:]))
    if not shown:
        return ""
    names = subject.chosen(None)[:COLUMNS]
    metrics = list(dict.fromkeys([*([metric] if metric else []), *(goal.metric for goal in subject.config.goals)]))
    numeric = {*metrics, "time"}
    head = "".join(
        f'<th scope="col"{" class=num" if name in numeric else ""}>{_text(name, 30)}</th>'
        for name in ("", "run", "state", *metrics, "time", *names)
    )
    rows = "".join(_row(subject, i, run, metrics, names) for i, run in enumerate(shown, 1))
    title = f"The {len(shown)} best runs" if subject.best is not None else "The latest runs"
    return f'<h2>{title}</h2><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(subject: Subject, place: int, run: Run, metrics: Sequence[str], names: Sequence[str]) -> str:
    found = (summary_value(run.summary, metric) for metric in metrics)
    took = run.ended_at - run.started_at if run.ended_at is not None and run.started_at is not None else None
    flat = subject.flat[run.id]
    given = [flat.get(subject.parameters[name][0], "") for name in names]
    numbers = ["" if value is None else number(value) for value in found]
    rest = "".join(f'<td class="num">{told}</td>' for told in [*numbers, duration(took)])
    rest += "".join(f"<td>{_text(_told(value), _CELL)}</td>" for value in given)
    dot = f'<i style="background:{run_color(run.number)}"></i>'
    return (
        f'<tr><td class="num">{place}</td><th scope="row">{dot}{_text(run.name or run.id, _CELL)}</th>'
        f"<td>{STATES[run.state][0]}</td>{rest}</tr>"
    )


def _told(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _mishaps(subject: Subject) -> str:
    """What went wrong, the most frequent first."""
    failed = [run for run in subject.runs if run.state in (RunState.failed, RunState.crashed)]
    if not failed:
        return ""
    counts = Counter(headline(run) or STATES[run.state][0] for run in failed)
    names = {said: run.name or run.id for run in reversed(failed) for said in [headline(run) or STATES[run.state][0]]}
    rows = "".join(
        f"<li>{n} × <code>{_text(said, 400)}</code>, first in {_text(names[said], _CELL)}</li>"
        for said, n in counts.most_common(MISHAPS)
    )
    more = f"<li>… and {len(counts) - MISHAPS} other errors</li>" if len(counts) > MISHAPS else ""
    return f"<h2>Failed runs</h2><ul>{rows}{more}</ul>"


def _given(subject: Subject) -> str:
    """What it takes to do it again."""
    config = _code(as_yaml(subject.sweep.config).rstrip())
    return (
        f"<h2>Configuration</h2><details><summary>The sweep as YAML</summary>{config}</details>{_provenance(subject)}"
    )


def _provenance(subject: Subject) -> str:
    run = subject.best or next(reversed(subject.runs), None)
    text = subject.store.recall(run.provenance) if run is not None and run.provenance else ""
    facts = json.loads(text) if text else {}
    git, function = facts.get("git") or {}, facts.get("function") or {}
    told = [
        f"Python {facts['python']}" if "python" in facts else "",
        f"commit {git['commit'][:12]}{' with changes' if git.get('dirty') else ''}" if "commit" in git else "",
    ]
    line = f"<p>{_text(', '.join(filter(None, told)), 200)}</p>" if any(told) else ""
    source = function.get("source")
    if not source:
        return line
    return f"{line}<details><summary>The training function</summary>{_code(source.rstrip())}</details>"


# -- figures ----------------------------------------------------------------------------------------------------------


def _figures(subject: Subject, metric: str | None) -> Iterator[str]:
    """Sections of figures, and at last plotly.js; nothing before something has run."""
    if not subject.runs:
        return
    drawn = [(title, draw()) for title, draw in _wanted(subject, metric)]
    yield "<noscript><p>The figures need JavaScript; everything else does not.</p></noscript>"
    yield from (_figure(i, title, made) for i, (title, made) in enumerate(drawn))
    yield f'<script type="application/octet-stream" id="plotly">{_plotly()}</script>'


def _wanted(subject: Subject, metric: str | None) -> Iterable[tuple[str, Callable[[], Any]]]:
    timeline = [("Who worked when", lambda: plot.timeline(subject))]
    if metric is None:
        return timeline
    y = values(subject.runs, metric)
    if not np.isfinite(y).any():
        return timeline
    log = spans(y[np.isfinite(y)], 100)
    several = len(subject.config.space.searchable) > 1
    return [
        ("Curves", lambda: plot.curves(subject, metric, log_y=log)),
        ("History", lambda: plot.history(subject, metric, log_y=log)),
        ("Importance of the parameters", lambda: plot.importance(subject, metric)),
        ("Parallel coordinates", lambda: plot.parallel_coordinates(subject, metric)),
        ("Slices", lambda: plot.slice(subject, metric, log_y=log)),
        *([("Contour", lambda: plot.contour(subject, metric))] if several else []),
        *timeline,
    ]


def _figure(i: int, title: str, made: Any) -> str:
    facts = made.to_json().replace("<", "\\u003c")  # no "</script>" within
    height = made.layout.height or 400
    return (
        f'<h2>{title}</h2><div class="figure" id="figure-{i}" style="height:{height}px" role="img" aria-label="{title}"></div>'
        f'<script type="application/json" data-figure="figure-{i}">{facts}</script>'
    )


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 6, mtime=0)).decode()


# -- the page ---------------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, CanvasText 18%, Canvas); --faint: color-mix(in srgb, CanvasText 5%, Canvas);
  --muted: color-mix(in srgb, CanvasText 68%, Canvas); }
@media (prefers-color-scheme: dark) { :root { background: #111; } }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; max-width: 960px; margin: 2rem auto 4rem; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt, .hint { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
.code { position: relative; }
pre { background: var(--faint); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem; overflow: auto; max-height: 30rem;
  font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: .4rem 0; }
.code button { position: absolute; top: .4rem; right: .4rem; font: inherit; font-size: 12px; padding: .1rem .6rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { text-align: left; padding: .22rem .7rem .22rem 0; border-bottom: 1px solid var(--line); } .num { text-align: right; }
tbody th { font-weight: normal; } tbody tr:first-child th { font-weight: 600; }
i { display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .5em; }
.figure { width: 100%; overflow: hidden; } summary { cursor: pointer; } li { margin: .2rem 0; overflow-wrap: anywhere; }
@media print { .code button { display: none; } .figure, tr { break-inside: avoid; } }
"""
_SCRIPT = """
for (const button of document.querySelectorAll(".code button")) button.addEventListener("click", () => {
  getSelection().selectAllChildren(button.nextElementSibling);
  button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
async function draw() {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  const bytes = Uint8Array.from(atob(packed.textContent), (c) => c.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
  for (const facts of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = JSON.parse(facts.textContent);
    await Plotly.newPlot(facts.dataset.figure, data, layout, { responsive: true, displaylogo: false });
  }
}
draw().catch((error) => {
  for (const figure of document.querySelectorAll(".figure:empty")) figure.textContent = `No figure: ${error}`;
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
img-src data: blob:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""
