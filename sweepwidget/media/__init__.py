"""What is logged to be looked at: Image, Table, Histogram, Audio, Video, Html, Plotly, and Artifact.

`save` writes a media object's file below `<folder>/media` and returns W&B's JSON form of it, which goes into the log row.
What is given is taken as it is at construction; only files are read when they are saved. Libraries are recognised by what
their objects can do, never imported.
"""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..values import convert
from . import pixels
from .artifact import Artifact, load_artifact, store_artifact
from .image import Image, matplotlib_figure
from .mediafile import FileMedia, Form, Media, existing_file, from_form, saver
from .table import Table, is_dataframe

__all__ = [
    "Artifact",
    "Audio",
    "Histogram",
    "Html",
    "Image",
    "Media",
    "Plotly",
    "Table",
    "Video",
    "from_form",
    "is_media",
    "load_artifact",
    "log_value",
    "store_artifact",
]


class Audio(FileMedia):
    """A sound: the path of a file, or an array (samples,) or (samples, channels) with its `sample_rate` in Hz, floats in
    -1…1 or integers; kept as 16-bit WAV.
    """

    _type = "audio-file"
    _folder = "audio"

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Audio:
        return cls(folder / form["path"], caption=form.get("caption"))

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        if isinstance(data_or_path, (str, os.PathLike)):
            path = existing_file(data_or_path, "Audio")
            super().__init__(path.suffix.lower(), path, caption)
            return
        if sample_rate is None:
            raise ValueError('Argument "sample_rate" is required when instantiating wandb.Audio with raw data.')
        super().__init__(".wav", _wav(pixels.as_array(data_or_path), int(sample_rate)), caption)


def _wav(samples: Any, sample_rate: int) -> bytes:
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
        raise ValueError(
            f"Audio takes an array (samples,) or (samples, channels), not {list(samples.shape)} {samples.dtype}"
        )
    if samples.dtype.kind == "f":
        scaled = np.nan_to_num(samples).clip(-1, 1) * 32767
    elif samples.dtype.kind == "u":
        scaled = (samples.astype(np.float64) / np.iinfo(samples.dtype).max * 2 - 1) * 32767
    else:
        scaled = samples.astype(np.float64) / np.iinfo(samples.dtype).max * 32767 if samples.itemsize != 2 else samples
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(scaled).astype("<i2").tobytes())
    return buffer.getvalue()


class Video(FileMedia):
    """A film: the path of a gif, mp4, webm or ogg file, an open binary file with its `format`, or an array (time, channels,
    height, width), kept as an animated PNG, which loses nothing, plays in every browser and needs no encoder.
    """

    _type = "video-file"
    _folder = "videos"

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Video:
        return cls(folder / form["path"], caption=form.get("caption"))

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        fps: int | None = None,
        format: str | None = None,  # noqa: A002
    ) -> None:
        self._size: tuple[int, int] | None = None
        if isinstance(data_or_path, (str, os.PathLike)):
            path = existing_file(data_or_path, "Video")
            if path.suffix.lower() not in {".gif", ".mp4", ".webm", ".ogg", ".png"}:
                raise ValueError("wandb.Video accepts gif, mp4, webm, ogg formats")
            super().__init__(path.suffix.lower(), path, caption)
        elif hasattr(data_or_path, "read"):
            if format not in {"gif", "mp4", "webm", "ogg"}:
                raise ValueError("Video: an open file needs its format: format='gif', 'mp4', 'webm' or 'ogg'")
            super().__init__(f".{format}", data_or_path.read(), caption)
        else:
            pictures = pixels.frames(data_or_path)
            self._size = pictures[0].shape[1], pictures[0].shape[0]
            super().__init__(".png", pixels.animated_png(pictures, fps or 4), caption)

    def _details(self, folder: Path, key: str, step: int) -> Form:
        return {} if self._size is None else {"width": self._size[0], "height": self._size[1]}


class Html(FileMedia):
    """A page: HTML text, an open file, or the path of an .html file. Shown as it is (`inject` has no effect here)."""

    _type = "html-file"
    _folder = "html"

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Html:
        return cls(folder / form["path"])

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        if hasattr(data, "read"):
            text = data.read()
        elif not isinstance(data, (str, os.PathLike)):
            raise ValueError("data must be a string or an io object")
        elif isinstance(data, str) and (data_is_not_path or not data.endswith(".html")):
            text = data
        else:
            text = existing_file(data, "Html").read_bytes()
        super().__init__(".html", text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace"))


class Plotly(FileMedia):
    """A plotly figure; `log` makes one of every plotly figure by itself."""

    _type = "plotly-file"
    _folder = "plotly"

    def __init__(self, val: Any) -> None:
        if not hasattr(val, "to_plotly_json"):
            raise ValueError(f"Logged plots must be plotly figures, not {type(val).__name__}; for matplotlib use Image")
        super().__init__(".plotly.json", str(val.to_json()).encode())


class Histogram(Media):
    """Counts in bins: `wandb.Histogram(values)` or `wandb.Histogram(np_histogram=np.histogram(values))`; at most 512 bins.

    Values that are not finite are left out.
    """

    _type = "histogram"
    MAX_LENGTH = 512

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        if np_histogram is not None:
            if len(np_histogram) != 2:
                raise ValueError(
                    "Expected np_histogram to be a tuple of (values, bin_edges) or sequence to be specified"
                )
            counts, edges = (np.asarray(part) for part in np_histogram)
        elif sequence is None:
            raise ValueError("Histogram needs a sequence of numbers, or np_histogram=(values, bin_edges)")
        else:
            values = pixels.as_array(sequence).astype(np.float64).ravel()
            counts, edges = np.histogram(values[np.isfinite(values)], bins=min(num_bins, self.MAX_LENGTH + 1))
        if len(counts) > self.MAX_LENGTH:
            raise ValueError(f"The maximum length of a histogram is {self.MAX_LENGTH}")
        if len(counts) + 1 != len(edges):
            raise ValueError("len(bins) must be len(histogram) + 1")
        self.histogram: list[float] = counts.tolist()
        self.bins: list[float] = edges.tolist()

    def save(self, folder: Path, key: str, step: int) -> Form:
        return {"_type": self._type, "values": self.histogram, "bins": self.bins}

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Histogram:  # noqa: ARG003  (it is in no file)
        return cls(np_histogram=(form["values"], form["bins"]))


def is_media(value: Any) -> bool:
    return isinstance(value, Media)


def log_value(value: Any, folder: Path, key: str, step: int) -> Any:
    """What `log({key: value})` writes down: media, figures and data frames are saved below `folder` and stand in it by their
    JSON form, at any depth; everything else is `native`. TypeError names the place.
    """
    save = saver(folder, step)

    def save_or_make(item: Any, path: str) -> Any:
        return save(_as_media(item), path)

    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Image) for item in value):
        return _images(value, folder, key, step)
    return convert(value, key, save_or_make)


def _as_media(value: Any) -> Any:
    """The media object that a data frame or a figure is logged as; anything else itself."""
    if is_dataframe(value):
        return Table(dataframe=value)
    if hasattr(value, "to_plotly_json"):
        return Plotly(value)
    return value if matplotlib_figure(value) is None else Image(value)


def _images(images: Sequence[Image], folder: Path, key: str, step: int) -> Form:
    """W&B's form of several images under one key."""
    forms = [image.save(folder, f"{key}_{i}", step) for i, image in enumerate(images)]
    form = {"_type": "images/separated", "count": len(forms), "filenames": [each["path"] for each in forms]}
    form |= {name: forms[0][name] for name in ("width", "height", "format") if name in forms[0]}
    for plural, name in (("captions", "caption"), ("all_boxes", "boxes"), ("all_masks", "masks")):
        if any(name in each for each in forms):
            form[plural] = [each.get(name) for each in forms]
    return form
