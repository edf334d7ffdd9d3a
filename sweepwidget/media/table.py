"""Table: rows and columns of anything that can be logged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..values import convert
from .filing import keep, safe_name
from .mediafile import Form, Media, saver

_PLAIN = frozenset({int, str, bool, type(None)})


class Table(Media):
    """Rows and columns: `wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]])`, or from a pandas DataFrame.

    A cell holds anything that can be logged, media too. Kept as it is when it is logged.
    """

    _type = "table-file"
    MAX_ROWS = 10_000
    """W&B's limit; nothing is cut here."""

    def __init__(
        self,
        columns: Sequence[str | int] | None = None,
        data: Any = None,
        rows: Iterable[Sequence[Any]] | None = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: Any = True,
        allow_mixed_types: bool = False,
        log_mode: str | None = "IMMUTABLE",
    ) -> None:
        frame = data if dataframe is None and is_dataframe(data) else dataframe
        if frame is not None:
            columns = [name if isinstance(name, (str, int)) else str(name) for name in frame.columns]
            data = frame.itertuples(index=False, name=None)
        elif data is None:
            data = rows if rows is not None else ()
        if columns is None:  # W&B's
            columns = ["Input", "Output", "Expected"]
        if isinstance(columns, str) or not all(isinstance(name, (str, int)) for name in columns):
            raise TypeError(f"Table: columns must be a list of names, not {columns!r}")
        if isinstance(data, (str, Mapping)) or not hasattr(data, "__iter__"):
            raise TypeError(f"Table: data must be a list of rows, not {type(data).__name__}")
        self.columns: list[str | int] = list(columns)
        self.data: list[list[Any]] = []
        for row in data:
            self.add_data(*row)

    def add_data(self, *data: Any) -> None:
        """Append a row; ValueError if it has another number of values than the table has columns."""
        if len(data) != len(self.columns):
            raise ValueError(f"This table expects {len(self.columns)} columns: {self.columns}, found {len(data)}")
        self.data.append(list(data))

    add_row = add_data

    def add_column(self, name: str, data: Iterable[Any], optional: bool = False) -> None:
        """Append a column; ValueError if it is known already or has another length than the table."""
        values = list(data)
        if name in self.columns:
            raise ValueError(f"this table has a column {name!r} already")
        if self.columns and len(values) != len(self.data):
            raise ValueError(f"column {name!r} has {len(values)} values, but the table has {len(self.data)} rows")
        if not self.columns:
            self.data = [[] for _ in values]
        self.columns.append(name)
        for row, value in zip(self.data, values, strict=True):
            row.append(value)

    def add_computed_columns(self, fn: Callable[[int, dict[str | int, Any]], Mapping[str, Any]]) -> None:
        """Append the columns that `fn(row number, {column: value})` returns for every row."""
        computed = [fn(i, dict(zip(self.columns, row, strict=True))) for i, row in enumerate(self.data)]
        for name in computed[0] if computed else ():
            self.add_column(name, [row[name] for row in computed])

    def get_column(self, name: str | int, convert_to: str | None = None) -> Any:
        """One column's values as a list, or as an array with `convert_to="numpy"`; KeyError lists the columns."""
        if name not in self.columns:
            raise KeyError(f"this table has no column {name!r}; it has {self.columns}")
        index = self.columns.index(name)
        values = [row[index] for row in self.data]
        return np.array(values) if convert_to == "numpy" else values

    def get_dataframe(self) -> Any:
        """The table as a pandas DataFrame (needs pandas)."""
        import pandas as pd

        return pd.DataFrame(self.data, columns=self.columns)

    def get_index(self) -> list[int]:
        return list(range(len(self.data)))

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        return enumerate(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def save(self, folder: Path, key: str, step: int) -> Form:
        save = saver(folder, step)
        rows = [
            [
                cell if type(cell) in _PLAIN else _strict(convert(cell, f"{key}.{name}[{i}]", save))
                for name, cell in zip(self.columns, row, strict=True)
            ]
            for i, row in enumerate(self.data)
        ]
        text = json.dumps({"columns": self.columns, "data": rows}, allow_nan=False)
        name = safe_name(key)
        place = folder / "media" / "table"
        kept = keep([text.encode()], place, lambda sha256: f"{name}_{step}_{sha256[:20]}.table.json")
        path = kept.path.relative_to(folder).as_posix()
        form: Form = {"_type": self._type, "sha256": kept.sha256, "size": kept.size, "path": path}
        return {**form, "ncols": len(self.columns), "nrows": len(self.data)}

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Table:
        """Cells stay as they were written, media in them too."""
        table = json.loads((folder / form["path"]).read_text(encoding="utf-8"))
        return cls(columns=table["columns"], data=table["data"])


def is_dataframe(value: Any) -> bool:
    return hasattr(value, "itertuples") and hasattr(value, "columns")


def _strict(value: Any) -> Any:
    """JSON without NaN, which browsers cannot read: missing is null, infinities are text, as in W&B."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, dict):
        return {name: _strict(item) for name, item in value.items()}
    return value
