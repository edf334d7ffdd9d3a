"""The tables that check a configuration, for the page's form: the same fields, words and limits as Python's."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ..configschema import GRID_DISTRIBUTIONS
from ..fields import Field
from ..metricspec import METRIC
from ..parameters import DISTRIBUTIONS
from ..stoppingspec import STOPPING
from ..sweepconfig import FIELDS


@functools.cache
def forms() -> dict[str, Any]:
    """`Forms` of protocol.ts."""
    return {
        "sweep": _fields(FIELDS),
        "metric": _fields(METRIC),
        "distributions": {
            name: {"doc": known.doc, "fields": _fields(known.fields), "grid": name in GRID_DISTRIBUTIONS}
            for name, known in DISTRIBUTIONS.items()
        },
        "stopping": {
            kind: {"doc": known.doc, "fields": _fields(known.fields), "needs_metric": known.needs_metric}
            for kind, known in STOPPING.items()
        },
    }


def _fields(fields: Mapping[str, Field]) -> dict[str, dict[str, Any]]:
    return {name: {**known.schema(), "required": known.required} for name, known in fields.items()}
