"""RESULTS.md and its pictures, as a pure function of what was measured: every row with its peer, its aim, and whether it is reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from .aims import ratio
from .bars import picture
from .catalogue import BENCHMARKS, THEMES
from .machine import Machine
from .measure import Row
from .results import Block

HEADER = ("", "sweepwidget", "peer", "peer's", "ratio", "aim", "reached", "note")
INTRO = """# Results

Written by `make bench`; what each benchmark measures, and how, stands in [README.md](README.md). Values are medians unless the row
says otherwise, and a peer is measured in the same run. The ratio is ours ÷ the peer's: where less is better, a small one is good. On a
shared machine numbers vary by ±40 % with what else it does, ratios by less; the load average stands beside each table.
"""


def written(blocks: Sequence[Block]) -> dict[str, str]:
    """File name → content."""
    pictures = {f"results-{theme}.svg": picture(title, rows_of(blocks, theme)) for theme, title in THEMES.items()}
    drawn = {name: svg for name, svg in pictures.items() if svg}
    return {"RESULTS.md": text(blocks, drawn), **drawn}


def text(blocks: Sequence[Block], pictures: Iterable[str]) -> str:
    machines = list(dict.fromkeys(map(_key, blocks)))
    parts = [INTRO, _aims(blocks)]
    for theme, title in THEMES.items():
        known = [name for name, benchmark in BENCHMARKS.items() if benchmark.theme == theme]
        found = {name: [block for block in blocks if block.benchmark == name] for name in known}
        if any(found.values()):
            parts.append(f"## {title}\n")
            parts += [f"![{title}, times the peers]({name})\n" for name in pictures if name == f"results-{theme}.svg"]
            parts += [_section(name, some, machines) for name, some in found.items() if some]
    machine_of = {_key(block): block.machine for block in blocks}
    parts.append(_machines([machine_of[key] for key in machines]))
    return "\n".join(parts)


def rows_of(blocks: Sequence[Block], theme: str) -> list[Row]:
    """In the catalogue's order."""
    names = [name for name, benchmark in BENCHMARKS.items() if benchmark.theme == theme]
    return [row for name in names for block in blocks if block.benchmark == name for row in block.rows]


def number(value: float) -> str:
    """Three digits that count; whole numbers in full."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def times(value: float) -> str:
    """A ratio: 28×, 0.27×, 1/95."""
    return f"1/{number(float(f'{1 / value:.2g}'))}" if 0 < value < 0.1 else f"{number(float(f'{value:.3g}'))}×"


def _aims(blocks: Sequence[Block]) -> str:
    rows = [row for theme in THEMES for row in rows_of(blocks, theme) if row.aim]
    reached, missed, open_ = ([row for row in rows if row.reached is verdict] for verdict in (True, False, None))
    lines = [f"**{len(reached)} of {len(rows)} aims reached.**"]
    if missed:
        lines += ["\nNot reached:\n", *_table(missed)]
    if open_:
        lines += ["\nNot judged:\n", *_table(open_)]
    if never := [f"`{name}`" for name in BENCHMARKS if name not in {block.benchmark for block in blocks}]:
        lines.append(f"\nNot measured yet: {', '.join(never)}.")
    return "\n".join([*lines, ""])


def _section(name: str, blocks: Sequence[Block], machines: Sequence[object]) -> str:
    lines = [f"### {BENCHMARKS[name].title}\n"]
    for block in blocks:
        lines += [*_table(block.rows), "", _measured(block, machines), ""]
    return "\n".join(lines)


def _measured(block: Block, machines: Sequence[object]) -> str:
    load = f"load average {block.load[0]:.1f} before, {block.load[1]:.1f} after" if block.load else "load not noted"
    revision = f"at {block.revision}" if block.revision else "at a commit not noted"
    command = f"python -m benchmarks {block.benchmark} {block.arguments}".strip()
    where = f"machine {_letter(machines.index(_key(block)))}" if len(machines) > 1 else "the machine below"
    took = "" if block.seconds is None else f" in {number(round(block.seconds))} s"
    return f"`{command}`, {block.measured_at},{took} on {where}, {load}, sweepwidget {revision}."


def _table(rows: Iterable[Row]) -> list[str]:
    """Columns that say nothing are left out."""
    lines = [list(cells(row)) for row in rows]
    for before, line in reversed([*pairwise(lines)]):  # one thing beside several peers is said once
        if line[:2] == before[:2]:
            line[:2] = "", ""
    used = [i for i in range(len(HEADER)) if i < 2 or any(line[i] for line in lines)]
    aligned = ["--:" if HEADER[i] in ("sweepwidget", "peer's", "ratio") else "---" for i in used]
    table = [[HEADER[i] for i in used], *([_escaped(line[i]) for i in used] for line in lines)]
    header, *body = ("| " + " | ".join(line) + " |" for line in table)
    return [header, "|" + "|".join(aligned) + "|", *body]


def cells(row: Row) -> Iterable[str]:
    found = ratio(row)
    yield row.what
    yield with_unit(row.value, row.unit)
    yield row.peer
    yield with_unit(row.peer_value, row.unit) if row.peer_value is not None else "–" if row.peer else ""
    yield "" if found is None else times(found)
    yield row.aim
    yield {True: "yes", False: "**no**", None: "not judged" if row.aim else ""}[row.reached]
    yield row.note


def with_unit(value: float, unit: str) -> str:
    """1,396/s; 2.4 ms; 12."""
    space = "" if unit.startswith("/") or unit in ("×", "%", "") else " "
    return number(value) + ("" if math.isnan(value) else space + unit)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _machines(machines: Sequence[Machine]) -> str:
    lines = ["## Machine\n" if len(machines) == 1 else "## Machines\n"]
    for i, machine in enumerate(machines):
        named = f"{_letter(i)}: " if len(machines) > 1 else ""
        versions = ", ".join(map(" ".join, machine.versions.items()))
        cores = f"{machine.cores} cores" if machine.cores else ""
        sqlite = f"SQLite {machine.sqlite}" if machine.sqlite else ""
        facts = machine.cpu, cores, machine.memory, machine.kernel, machine.python, sqlite, versions
        lines.append(f"{named}{', '.join(filter(None, facts))}.\n")
    return "\n".join(lines)


def _key(block: Block) -> object:
    """Machines are told apart by all that is known of them."""
    machine = block.machine
    return (machine.cpu, machine.cores, machine.memory, machine.kernel, machine.python, machine.sqlite,
            tuple(sorted(machine.versions.items())))  # fmt: skip


def _letter(i: int) -> str:
    return chr(ord("A") + i)
