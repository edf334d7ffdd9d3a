"""A run of before, here and now: the cell that runs its configuration alone, and whether the function is still the same."""

from __future__ import annotations

import math
import pprint
import sys
from collections.abc import Mapping
from textwrap import indent
from typing import Any

from ..errors import UsageError
from ..model import Run
from ..provenance import function_facts
from .functions import function_named, namespace
from .messages import clean


def cell(run: Run, facts: Mapping[str, Any]) -> str:
    """A cell that runs this run's configuration once, in the foreground; "" where it was a program's."""
    if "program" in facts:
        return ""
    package = sys.modules[__package__.partition(".")[0]]
    alias = next((name for name, value in namespace().items() if value is package and not name.startswith("_")), None)
    lines = [f"# Run {run.number} once more, in no sweep. If it fails, %debug in the next cell stands where."]
    if alias is None:
        lines += ["import sweepwidget as sw", ""]
    config = _Python(sort_dicts=False, width=96).pformat(dict(run.config))
    given = [_name_of(facts), config, f"seed={run.seed}"]
    lines += [f"{alias or 'sw'}.run_one(", *(indent(f"{each},", "    ") for each in given), ")"]
    return clean("\n".join(lines))


def code_now(facts: Mapping[str, Any]) -> str:
    """`train@77c0`: the function of that name as the notebook has it now; "" if it has none."""
    name = _name_of(facts)
    try:
        code = function_facts(function_named(name)).get("code", "")
    except (UsageError, TypeError):
        return ""
    return f"{name}@{code[:4]}" if code else ""


def _name_of(facts: Mapping[str, Any]) -> str:
    name = str((facts.get("function") or {}).get("name", "")).rpartition(".")[2]
    return name if name.isidentifier() else "train"


class _Python(pprint.PrettyPrinter):
    """Values as Python reads them back: `nan` alone is no word of it."""

    def format(self, object: Any, context: Any, maxlevels: int, level: int) -> tuple[str, bool, bool]:  # noqa: A002
        if isinstance(object, float) and not math.isfinite(object):
            return f'float("{object}")', True, False
        return super().format(object, context, maxlevels, level)
