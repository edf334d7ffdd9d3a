"""Desks with a page in this process, on a store of the test's own; and a front end's files, without building one."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sweepwidget.stores import locate
from sweepwidget.widget import assets, desk as desks, feed
from sweepwidget.widget.desk import Desk

from .page import Face


@pytest.fixture
def static(tmp_path, monkeypatch) -> Iterator[None]:
    """A built front end: a module, a style, and an asset."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "dashboard.js").write_text("export default { render() {} }")
    (folder / "dashboard.css").write_text(".sw-root {}")
    (folder / "plotly.js.gz").write_bytes(gzip.compress(b"export default {}"))
    monkeypatch.setattr(assets, "_FOLDER", folder)
    monkeypatch.setattr(desks, "_pushed", False)
    cached = [assets.module, assets.style, assets.hashes, assets._names]
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


@pytest.fixture
def page(wandb, static, monkeypatch) -> Iterator[Callable[..., Face]]:
    """Opens a dashboard of a sweep (or of a draft) and gives its page. Its feed is in a hurry."""
    monkeypatch.setattr(feed, "STATE_S", 0.01)
    monkeypatch.setattr(feed, "CURVES_S", 0.02)
    faces: list[Face] = []

    def open(sweep_id: str | None = None, store: Any = None) -> Face:
        face = Face()
        if sweep_id is not None:
            store, row = locate(sweep_id, store)
        face.desk = Desk(store or wandb.Api()._store, row.id if sweep_id is not None else None, face)
        face.desk.open()
        faces.append(face)
        return face

    yield open
    for face in faces:
        face.desk.close()


RANDOM = {
    "method": "random",
    "metric": {"name": "loss"},
    "run_cap": 4,
    "parameters": {"lr": {"min": 0.0, "max": 1.0}, "opt": {"parameters": {"name": {"values": ["sgd", 1, True, None]}}}},
}
