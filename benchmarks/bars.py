"""A picture of bars, "times the peer", as an SVG that a person can read and edit: one bar per row that has a peer, on a log scale.

It has both faces, light and dark, and takes the reader's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from .aims import aim_of, larger_is_better, times_better
from .measure import Row

WIDTH, LEFT, RIGHT = 900, 250, 130
LINE, HEAD, TOP, FOOT = 24, 26, 44, 62
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
  .title { font-size: 16px; font-weight: 600 }
  .what { font-weight: 600 }
  .quiet, .tick { fill: #59636e; font-size: 12px }
  .paper { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #1f2328 }
  .better { fill: #2f74c0 }
  .worse { fill: #bc6c25 }
  .aim { stroke: #1f2328; stroke-width: 2; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; stroke: #0d1117 }
    .quiet, .tick { fill: #9198a1 }
    .paper { fill: #0d1117 }
    .grid { stroke: #30363d }
    .one, .aim { stroke: #e6edf3 }
    .better { fill: #58a6ff }
    .worse { fill: #e09b55 }
  }
"""


def picture(title: str, rows: Sequence[Row]) -> str:
    """Empty when no row has a peer's figure beside it."""
    drawn = [(row, factor) for row in rows if row.peer and (factor := times_better(row)) is not None]
    if not drawn:
        return ""
    finite = [factor for _, factor in drawn if 0 < factor < math.inf]
    low, high = _ends(finite)
    shapes, y = [], TOP
    for what, group in groupby(drawn, key=lambda pair: pair[0].what):
        y += HEAD
        shapes.append(f'<text class="what" x="16" y="{y - 8}">{escape(what)}</text>')
        for row, factor in group:
            shapes += _bar(row, factor, y, low, high)
            y += LINE
    height = y + FOOT
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}: times the peers</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="28">{escape(title)}: how many times better than the peer</text>',
        *_axis(y, low, high),
        *shapes,
        _legend(y + 48, any(_aimed(row) for row, _ in drawn)),
        "</svg>\n",
    ])  # fmt: skip


def _ends(factors: Sequence[float]) -> tuple[float, float]:
    """Of the axis: powers of ten around all of them and 1, a million at most."""
    low = max(-6, min([0, *(math.floor(math.log10(factor)) for factor in factors)]))
    high = min(6, max([1, *(math.ceil(math.log10(factor)) for factor in factors)]))
    return 10.0**low, 10.0**high


def _bar(row: Row, factor: float, y: int, low: float, high: float) -> list[str]:
    one, end = _x(1, low, high), _x(min(max(factor, low), high), low, high)
    kind = "better" if factor >= 1 else "worse"
    told = f"{row.value:g} beside {row.peer_value:g}" if row.value == 0 else _times(factor)
    aim = _aimed(row)
    at = _x(min(max(aim, low), high), low, high) if aim else 0
    text = max(one, end) + 6
    text = at + 6 if text - 6 <= at <= text + 8 * len(told) else text  # the mark of the aim crosses no number
    lines = [
        f'<text class="quiet" x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(row.peer)}</text>',
        f'<rect class="{kind}" x="{min(one, end):.0f}" y="{y}" width="{abs(end - one) or 1:.0f}" height="17" rx="2"/>',
        f'<text x="{text:.0f}" y="{y + 13}">{told}</text>',
    ]
    if aim:
        lines.append(f'<line class="aim" x1="{at:.0f}" x2="{at:.0f}" y1="{y - 2}" y2="{y + 19}"/>')
    return lines


def _aimed(row: Row) -> float | None:
    """The aim as a factor of betterness, where it is one."""
    aim = aim_of(row.aim)
    if aim is None or not aim.is_ratio or not aim.number:
        return None
    return aim.number if larger_is_better(row) else 1 / aim.number


def _axis(bottom: int, low: float, high: float) -> list[str]:
    lines = []
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        x = _x(10.0**power, low, high)
        line = "one" if power == 0 else "grid"
        lines.append(f'<line class="{line}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP}" y2="{bottom}"/>')
        lines.append(f'<text class="tick" x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{10.0**power:,g}×</text>')
    return lines


def _legend(y: int, has_aims: bool) -> str:
    parts = [
        f'<rect class="better" x="16" y="{y - 10}" width="12" height="12"/><text class="quiet" x="34" y="{y}">better than the peer</text>',
        f'<rect class="worse" x="170" y="{y - 10}" width="12" height="12"/><text class="quiet" x="188" y="{y}">worse</text>',
    ]
    if has_aims:
        line = f'<line class="aim" x1="244" x2="244" y1="{y - 12}" y2="{y + 4}"/>'
        parts.append(f'{line}<text class="quiet" x="252" y="{y}">the aim</text>')
    return "\n".join(parts)


def _x(factor: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(factor / low) / math.log10(high / low)


def _times(factor: float) -> str:
    return f"{factor:,.0f}×" if factor >= 10 else f"{factor:.2g}×"
