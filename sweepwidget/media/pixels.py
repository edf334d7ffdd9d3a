"""Pixels as PNG, with nothing but numpy and zlib: arrays of many conventions become uint8 (H, W[, C]), and those bytes.

Pure functions of arrays; the conventions are W&B's where it has any.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels → PNG: grey, RGB, RGBA
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def as_array(data: Any) -> NDArray[Any]:
    """A numpy array of an array or tensor of any library, wherever it lives (torch: detached, on the CPU)."""
    for step in ("detach", "cpu"):
        if hasattr(data, step):
            data = getattr(data, step)()
    if str(getattr(data, "dtype", "")).endswith("bfloat16") and hasattr(data, "float"):  # numpy knows none
        data = data.float()
    return np.asarray(data.numpy() if hasattr(data, "numpy") else data)


def image(data: Any) -> Pixels:
    """uint8 pixels (H, W) or (H, W, 3 or 4) of an array or tensor.

    Takes (H, W), (H, W, C), (C, H, W), the usual order of tensors, and batches of these, which become a grid of 8 columns.
    Floats in 0…1 are scaled to 0…255; with negative values the range is stretched to 0…1 first (W&B's rules).
    """
    channels_first = _is_torch(data)
    array = as_array(data)
    given = list(array.shape)
    if array.size == 0 or array.dtype.kind not in "buif":
        raise ValueError(f"Un-supported shape for image conversion {given} ({array.dtype})")
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    array = to_uint8(array)
    if array.ndim == 4:
        return _grid([_channels_last(one, channels_first, given) for one in array])
    return _channels_last(array, channels_first, given)


def frames(data: Any) -> list[Pixels]:
    """The frames of a video of shape (time, channels, height, width); of a batch of such, side by side."""
    array = as_array(data)
    if array.ndim not in (4, 5) or array.size == 0 or array.dtype.kind not in "buif":
        raise ValueError(
            "Video must be at least 4 dimensions: time, channels, height, width; "
            f"this array has shape {list(array.shape)} and type {array.dtype}"
        )
    videos = to_uint8(array if array.ndim == 5 else array[None])
    shape = list(array.shape)
    return [_grid([_channels_last(one, True, shape) for one in moment]) for moment in videos.swapaxes(0, 1)]


def to_uint8(array: NDArray[Any]) -> Pixels:
    """Values as 0…255: negative ones stretch the range to 0…1, a range of 0…1 is scaled, NaN is 0."""
    if array.dtype == np.uint8 and array.max() > 1:
        return np.array(array)
    values = np.nan_to_num(array.astype(np.float64), nan=0.0)
    low, high = values.min(), values.max()
    if low < 0:
        values = (values - low) / ((high - low) or 1.0)
    if low < 0 or high <= 1:
        values = values * 255
    return values.clip(0, 255).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    """The PNG file of (H, W) or (H, W, C) pixels, C being 1, 3 or 4 (PNG specification, sections 5 and 11)."""
    return b"".join([_SIGNATURE, _header(pixels), _chunk(b"IDAT", _compressed(pixels)), _chunk(b"IEND", b"")])


def animated_png(pictures: Sequence[Pixels], fps: float) -> bytes:
    """The animated PNG of frames of one size; every browser plays it, and it loses nothing (APNG specification)."""
    height, width = pictures[0].shape[:2]
    parts = [_SIGNATURE, _header(pictures[0]), _chunk(b"acTL", struct.pack(">II", len(pictures), 0))]
    number = 0
    for i, picture in enumerate(pictures):
        timing = struct.pack(">HHBB", round(1000 / fps), 1000, 0, 0)
        parts.append(_chunk(b"fcTL", struct.pack(">5I", number, width, height, 0, 0) + timing))
        number += 1
        if i == 0:
            parts.append(_chunk(b"IDAT", _compressed(picture)))
        else:
            parts.append(_chunk(b"fdAT", struct.pack(">I", number) + _compressed(picture)))
            number += 1
    return b"".join([*parts, _chunk(b"IEND", b"")])


_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_size(head: bytes) -> tuple[int, int] | None:
    """(width, height) from the first 24 bytes of a PNG file."""
    if len(head) < 24 or not head.startswith(_SIGNATURE):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _header(pixels: Pixels) -> bytes:
    height, width = pixels.shape[:2]
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels(pixels)], 0, 0, 0))


def channels(pixels: Pixels) -> int:
    return 1 if pixels.ndim == 2 else pixels.shape[2]


def _compressed(pixels: Pixels) -> bytes:
    rows = pixels.reshape(pixels.shape[0], -1)
    unfiltered = np.zeros((rows.shape[0], rows.shape[1] + 1), np.uint8)  # each row begins with its filter: 0, none
    unfiltered[:, 1:] = rows
    return zlib.compress(unfiltered.tobytes(), 6)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _is_torch(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "torch"


def _channels_last(array: Pixels, channels_first: bool, given: Sequence[int]) -> Pixels:
    if array.ndim == 3 and (channels_first or array.shape[2] not in _COLOUR_TYPES) and array.shape[0] in _COLOUR_TYPES:
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _COLOUR_TYPES):
        return array
    raise ValueError(f"Un-supported shape for image conversion {list(given)}")


def _grid(pictures: Sequence[Pixels], columns: int = 8, gap: int = 2) -> Pixels:
    if len(pictures) == 1:
        return pictures[0]
    height, width, *rest = pictures[0].shape
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, *rest), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet
