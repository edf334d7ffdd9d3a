"""Image: arrays, tensors, figures and files as pictures of a run."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..values import native
from . import pixels
from .mediafile import FileMedia, Form, existing_file


class Image(FileMedia):
    """A picture: `wandb.Image(array, caption="epoch 3")`.

    Takes arrays and tensors of shape (H, W), (H, W, C) or (C, H, W), floats in 0…1 or integers in 0…255, batches of them
    (shown as a grid), PIL images, matplotlib figures and the path of a file. Kept as PNG, a file as it is.
    Raises ValueError for other shapes and TypeError for other things.
    """

    _type = "image-file"
    _folder = "images"

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Mapping[str, Any] | None = None,
        masks: Mapping[str, Mapping[str, Any]] | None = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        if file_type not in {None, "png", "jpg", "jpeg", "bmp"}:
            raise ValueError("file_type must be one of ['png', 'jpg', 'jpeg', 'bmp']")
        for name, given in (("boxes", boxes), ("masks", masks)):
            if given is not None and not isinstance(given, Mapping):
                raise ValueError(f'Images "{name}" argument must be a dictionary')
        self._grouping, self._boxes = grouping, native(boxes, "Image.boxes")
        self._masks = {name: _Mask(name, mask) for name, mask in (masks or {}).items()}
        extension, source, self._size = _picture(data_or_path, mode, file_type or "png")
        super().__init__(extension, source, caption)

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Image:
        return cls(folder / form["path"], caption=form.get("caption"))

    @property
    def format(self) -> str:
        return self._extension[1:]

    def _details(self, folder: Path, key: str, step: int) -> Form:
        details: Form = {"format": self.format}
        if self._size is not None:
            details |= {"width": self._size[0], "height": self._size[1]}
        if self._grouping is not None:
            details["grouping"] = self._grouping
        if self._boxes:
            details["boxes"] = self._boxes
        if self._masks:
            details["masks"] = {name: mask.save(folder, f"{key}_{name}", step) for name, mask in self._masks.items()}
        return details


class _Mask(FileMedia):
    """A segmentation mask: the class of each pixel as a grey picture, and the names of the classes."""

    _type = "mask"
    _folder = "images/mask"

    def __init__(self, name: str, mask: Mapping[str, Any]) -> None:
        classes = pixels.as_array(mask.get("mask_data"))
        if classes.ndim != 2 or classes.dtype.kind not in "bui" or classes.min() < 0 or classes.max() > 255:
            raise ValueError(f"Images \"masks\": {name!r} needs 'mask_data', an array (H, W) of class numbers 0 to 255")
        super().__init__(".png", pixels.png(classes.astype(np.uint8)))
        self._labels = native(mask.get("class_labels", {}), f"masks.{name}.class_labels")

    def _details(self, folder: Path, key: str, step: int) -> Form:
        return {"class_labels": self._labels}


def _picture(data: Any, mode: str | None, file_type: str) -> tuple[str, bytes | Path, tuple[int, int] | None]:
    """(extension, bytes or file, (width, height) if known)."""
    if isinstance(data, Image):
        return data._extension, data._source, data._size
    if isinstance(data, (str, os.PathLike)):
        path = existing_file(data, "Image")
        with path.open("rb") as file:
            return path.suffix.lower() or ".png", path, pixels.png_size(file.read(24))
    if (figure := matplotlib_figure(data)) is not None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        data_bytes = buffer.getvalue()
        return ".png", data_bytes, pixels.png_size(data_bytes)
    if hasattr(data, "getbands") and hasattr(data, "save"):  # PIL
        return _pil_encoded(data, mode, file_type)
    if not hasattr(data, "shape"):
        if isinstance(data, (list, tuple)):
            data = np.asarray(data)
        elif not hasattr(data, "__array__"):
            raise TypeError(
                f"Image: cannot make a picture of a {type(data).__name__}; give an array (H, W) or (H, W, C), "
                "a PIL image, a matplotlib figure or the path of a file"
            )
    array = pixels.image(data)
    if file_type != "png" or mode not in {None, pixels.MODES[pixels.channels(array)]}:
        return _pil_encoded(_pil().fromarray(array), mode, file_type)
    return ".png", pixels.png(array), (array.shape[1], array.shape[0])


def _pil_encoded(image: Any, mode: str | None, file_type: str) -> tuple[str, bytes, tuple[int, int]]:
    kept = {"png": {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}}.get(file_type, {"L", "RGB"})
    mode = mode or (image.mode if image.mode in kept else "RGB")
    buffer = io.BytesIO()
    (image if image.mode == mode else image.convert(mode)).save(buffer, "JPEG" if file_type == "jpg" else file_type)
    return f".{file_type}", buffer.getvalue(), image.size


def _pil() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise UsageError("this mode or file_type of Image needs Pillow: pip install pillow") from None
    return PIL.Image


def matplotlib_figure(data: Any) -> Any:
    """The figure of a figure, of axes or other artists, of a seaborn grid, or of the pyplot module; None if it is none."""
    family = str(getattr(data, "__name__", "") or type(data).__module__).partition(".")[0]
    if family not in {"matplotlib", "seaborn"}:
        return None
    figure = data.gcf() if hasattr(data, "gcf") else data
    if not hasattr(figure, "savefig"):
        figure = getattr(figure, "figure", None)
    return figure if hasattr(figure, "savefig") else None
