"""How figures look: colours that read on light and on dark pages, axes, notes, and user text made safe for plotly.

Every colour of a line or a letter has a contrast of at least 3:1 on white and on #111, so that one figure serves both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..model import Run, RunState
from ..progresstext import config_text, cut, number
from ..runs import headline, summary_value
from .subject import Floats, Subject

ACCENT = "#1f6fb4"
"""The best run, and whatever else there is only one of; also the first of PALETTE."""
GREY = "#808080"
INK = "#757575"
FAINT = "rgba(128,128,128,0.22)"
VEIL = "rgba(128,128,128,0.45)"
MIST = "rgba(128,128,128,0.26)"
PALETTE = (
    "#1f6fb4",
    "#c2510a",
    "#22863a",
    "#d0353d",
    "#7d4fb8",
    "#8a5a3c",
    "#c0398f",
    "#4b5bd6",
    "#7f7a0b",
    "#0d8290",
)
"""Of runs; in the order of the dashboard's."""
SCALE = ((0.0, "#a0a6ad"), (0.35, "#8a76c8"), (0.7, "#c2418f"), (1.0, "#d9480f"))
"""From the worst to the best; nowhere as pale or as dark as a page."""

STATES: Mapping[RunState, tuple[str, str, str]] = {
    RunState.finished: ("finished", "#5b87b5", "circle"),
    RunState.stopped: ("stopped early", "#b06a00", "x"),
    RunState.running: ("running", "#2e8b57", "circle-open"),
    RunState.preempted: ("preempted", "#7d4fb8", "circle-open"),
    RunState.pending: ("waiting again", "#808080", "circle-open"),
    RunState.failed: ("failed", "#d0353d", "triangle-down"),
    RunState.crashed: ("crashed", "#d0353d", "triangle-down-open"),
    RunState.killed: ("killed", "#8a5a3c", "square-open"),
}
"""Word, colour and sign: never a colour alone."""
NOTHING_POSITIVE = "no value is positive: nothing to see on a logarithmic axis"
_ANNOTATION = 90


def run_color(number: int) -> str:
    """The same colour for a run in every figure, and the same hue as in the dashboard (js/src/palette.ts): by its number,
    so that those that ran at the same time differ.
    """
    return PALETTE[(number - 1) % len(PALETTE)]


# -- text -------------------------------------------------------------------------------------------------------------


def plain(value: Any, width: int = 60) -> str:
    """User text as plotly may show it: one line, no markup, no TeX, no template."""
    told = "".join(c if c.isprintable() else " " for c in str(value))
    shown = escape(cut(" ".join(told.split()), width), quote=False)
    return shown.replace("$", "&#36;").replace("%{", "%&#123;")


def label(value: Any) -> str:
    """A choice of a parameter: `adam`, `True`, `0.001`."""
    if isinstance(value, float) and math.isfinite(value):
        return number(value)
    return plain("''" if value == "" else value, 24)


def run_name(run: Run) -> str:
    return plain(run.name or run.id, 40)


def run_text(subject: Subject, run: Run, metric: str | None = None, *more: str) -> str:
    """What hovering over a run says: its name, its value, its configuration, and why it ended."""
    lines = [f"<b>{run_name(run)}</b> · {STATES[run.state][0]}"]
    value = None if metric is None else _shown(run, metric)
    if metric is not None and value is not None:
        lines.append(f"{plain(metric)} {value}")
    lines += [plain(line, _ANNOTATION) for line in _folded(config_text(run.config, subject.constants))]
    reason = headline(run) if run.error else run.stop_reason
    return "<br>".join([*lines, *([plain(reason, _ANNOTATION)] if reason else []), *more])


def _shown(run: Run, metric: str) -> str | None:
    value = summary_value(run.summary, metric)
    if value is not None:
        return number(value)
    raw = run.summary.get(metric)
    return number(raw) if isinstance(raw, float) else None


def _folded(text: str, width: int = 60, most: int = 4) -> list[str]:
    """Broken into lines between words, at most so many."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [line for line in lines[:most] if line] + (["…"] if len(lines) > most else [])


# -- figures ----------------------------------------------------------------------------------------------------------


def template() -> go.layout.Template:
    """Transparent, with one ink for light and dark."""
    axis = {
        "gridcolor": FAINT,
        "linecolor": VEIL,
        "tickcolor": VEIL,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "exponentformat": "power",
        "minexponent": 6,
        "title": {"standoff": 8},
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12, "color": INK},
            "colorway": list(PALETTE),
            "xaxis": axis,
            "yaxis": axis,
            "hovermode": "closest",
            "hoverlabel": {
                "bgcolor": "#23272e",
                "bordercolor": "#4a515b",
                "font": {"color": "#f2f3f5", "size": 12},
                "align": "left",
                "namelength": -1,
            },
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left", "itemwidth": 30},
            "margin": {"l": 56, "r": 16, "t": 36, "b": 44},
        }
    )


def figure(traces: Iterable[Any], notes: Iterable[str] = (), **layout: Any) -> go.Figure:
    """A figure in our look. `notes` are said in small letters at its foot."""
    made = go.Figure(list(traces), {"template": template(), "height": 400, **layout})
    told = [note for note in notes if note]
    if told:
        made.update_layout(margin_b=72)
        made.add_annotation(
            text=" · ".join(told),
            xref="paper",
            yref="paper",
            x=1,
            y=0,
            xanchor="right",
            yanchor="top",
            yshift=-50,
            showarrow=False,
            font={"size": 11},
        )
    return made


def empty(why: str, **layout: Any) -> go.Figure:
    """A figure that says why there is nothing to see."""
    made = figure([], height=layout.pop("height", 240), **layout)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(text=why, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False, font={"size": 14})
    return made


def nothing_yet(subject: Subject, metric: str | None = None) -> str:
    """Why there is nothing to see."""
    if not subject.runs:
        return "no run has begun yet"
    if metric is None:
        return "no run has ended yet"
    return f"no run has a value of {plain(metric)} yet"


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 run`, `3 runs`."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def drawn(shown: int, of: int) -> str:
    """The note on runs that there was no room for."""
    return "" if shown >= of else f"{shown} of {of} runs drawn: the best, and others evenly"


# -- axes -------------------------------------------------------------------------------------------------------------


def spread_of(values: Floats, log: bool) -> tuple[list[float] | None, str]:
    """A range for an axis on which single values far out would flatten all others, and a note on those it leaves out.

    Further than 3 interquartile ranges from the quartiles is far out (Tukey 1977). None, "": all of them fit.
    """
    finite = values[np.isfinite(values) & ((values > 0) | (not log))]
    if len(finite) < 4:
        return None, ""
    seen = np.log10(finite) if log else finite / 4  # quarters, so that differences of the largest floats are floats
    low, high = np.quantile(seen, [0.25, 0.75])
    fence = 3 * (high - low)
    inside = seen[(seen >= low - fence) & (seen <= high + fence)]
    out = len(seen) - len(inside)
    whole, span = np.ptp(seen), np.ptp(inside)
    if not out or span <= 0 or whole < 4 * span:
        return None, ""
    unit = 1.0 if log else 4.0
    edges = [unit * float(inside.min() - 0.06 * span), unit * float(inside.max() + 0.06 * span)]
    return edges, f"{counted(out, 'value')} far outside of the picture (double-click shows all)"


def ranked_shades(values: Floats, maximize: bool) -> tuple[Floats, dict[str, Any]]:
    """Finite values, shape (n,), n ≥ 1, as places on SCALE by their rank, 0 (worst) … 1 (best), and the marks of a colour bar.

    By rank, because most runs of a good search are nearly as good as the best one, and a few are far worse.
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - (count + 1) / 2) / max(len(values) - 1, 1)
    rank = middle[place] if len(count) > 1 else np.full(len(values), 0.5)
    shares = np.linspace(0.0, 1.0, 5) if len(count) > 1 else np.array([0.5])
    told = [number(float(value)) for value in np.quantile(values, shares, method="nearest")]
    return (rank if maximize else 1.0 - rank), {
        "tickvals": (shares if maximize else 1.0 - shares).tolist(),
        "ticktext": told,
    }


def shaded(values: Floats, maximize: bool, log: bool) -> tuple[Floats, dict[str, Any]]:
    """Finite values as places on SCALE in proportion, 0 (worst) … 1 (best), and the marks of a colour bar."""
    seen = np.log10(values) if log else values / 2
    low, high = float(seen.min()), float(seen.max())
    span = high - low or 1.0
    places = (seen - low) / span
    shares = np.linspace(0.0, 1.0, 5)
    told = [number(float(10**at if log else 2 * at)) for at in low + shares * span]
    return (places if maximize else 1.0 - places), {
        "tickvals": (shares if maximize else 1.0 - shares).tolist(),
        "ticktext": told,
    }


def spans(values: Floats, factor: float) -> bool:
    """Whether a logarithmic scale shows more: values are positive, and the largest is so many times the smallest."""
    return bool(len(values) and values.min() > 0 and values.max() > factor * values.min())


def color_bar(title: str, marks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": {"text": plain(title, 24), "side": "top", "font": {"size": 12}},
        "thickness": 10,
        "outlinewidth": 0,
        "len": 1.0,
        "tickcolor": VEIL,
        **marks,
    }


def dashes(colors: Sequence[str]) -> list[str]:
    """A dash for each line, so that two of one colour can be told apart: the first of each is solid."""
    styles = ("solid", "dot", "dash", "dashdot", "longdash")
    seen: Counter[str] = Counter()
    found = []
    for color in colors:
        found.append(styles[seen[color] % len(styles)])
        seen[color] += 1
    return found
