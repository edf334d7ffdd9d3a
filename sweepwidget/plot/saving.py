"""`save`: a figure as a file."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ..errors import UsageError

_PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")


def save(figure: Any, path: str | Path, *, width: int = 900, height: int | None = None, scale: float = 2.0) -> Path:
    """Write a figure: `sw.plot.save(sw.plot.history(sweep_id), "history.png")`.

    The suffix says how: `.html` (one file that needs no network), `.json` (plotly's), or a picture, `.png`, `.svg`, `.pdf`,
    `.jpg` or `.webp`, `width` × `height` pixels (`scale` times as many for pixels on paper), which plotly draws with kaleido.
    UsageError for another suffix, or without kaleido.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".html":
        figure.write_html(path, include_plotlyjs=True, full_html=True)
    elif suffix == ".json":
        path.write_text(figure.to_json(), encoding="utf-8")
    elif suffix in _PICTURES:
        _write_picture(figure, path, width, height or figure.layout.height, scale)
    else:
        raise UsageError(f"cannot save {path.name!r}: the suffix is .html, .json or one of {', '.join(_PICTURES)}")
    return path


def _write_picture(figure: Any, path: Path, width: int, height: int | None, scale: float) -> None:
    if importlib.util.find_spec("kaleido") is None:
        raise UsageError(
            f"writing {path.name} needs kaleido, with which plotly draws pictures: `pip install kaleido`; "
            f"or save {path.with_suffix('.html').name}, which needs nothing"
        )
    figure.write_image(path, width=width, height=height, scale=scale)
