"""A sweep as files and tables for other programs: every run as a row, configurations as YAML. Pure."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import UsageError
from .model import Run

Path = tuple[str, ...]

_FACTS = (
    "id",
    "number",
    "name",
    "attempt",
    "agent_id",
    "created_at",
    "started_at",
    "ended_at",
    "exit_code",
    "stop_reason",
    "notes",
)


def leaves(config: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of everything in nested dicts that is no dict; media stay whole.

    >>> list(leaves({"opt": {"lr": 0.1}, "n": 3}))
    [(('opt', 'lr'), 0.1), (('n',), 3)]
    """
    for key, value in config.items():
        if isinstance(value, Mapping) and value and "_type" not in value:
            for below, leaf in leaves(value):
                yield (key, *below), leaf
        else:
            yield (key,), value


@functools.lru_cache(4096)
def column_name(group: str, path: Path) -> str:
    r"""The name of a parameter's or a metric's column; dots within names are escaped.

    >>> column_name("config", ("opt", "lr.max"))
    'config.opt.lr\\.max'
    """
    return ".".join([group, *(part.replace("\\", "\\\\").replace(".", "\\.") for part in path)])


def records(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """One flat dict per run: id, number, name, state, times (unix seconds), `config.lr`, `summary.loss`."""
    return [
        {
            **{name: getattr(run, name) for name in _FACTS},
            "state": run.state.value,
            "tags": ",".join(run.tags),
            **{column_name("config", path): value for path, value in leaves(run.config)},
            **{column_name("summary", path): value for path, value in leaves(run.summary)},
        }
        for run in runs
    ]


def as_frame(runs: Iterable[Run]) -> Any:
    """The records as a pandas DataFrame. UsageError without pandas."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise UsageError("a DataFrame needs pandas: `pip install pandas`, or write a file with to_csv(path)") from None
    return DataFrame(records(runs))


def as_csv(runs: Iterable[Run]) -> str:
    """The records as CSV, with a column for everything that some run has; lists and dicts are JSON."""
    rows = records(runs)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def as_yaml(config: Mapping[str, Any]) -> str:
    """A configuration as a sweep file says it: keys in their order, a list of plain values in one line."""
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return text
