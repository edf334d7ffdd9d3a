"""What every media object is: something that saves itself beside a run and says where, in W&B's JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from ..errors import UsageError
from ..values import Fallback, refuse
from .filing import contents, keep, safe_name

Form: TypeAlias = "dict[str, Any]"
"""W&B's JSON form of a media object: `{"_type": "image-file", "path": …}`."""


class Media:
    """Something to look at."""

    _type: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type[Media]]] = {}

    def __init_subclass__(cls) -> None:
        if cls._type:
            Media._kinds[cls._type] = cls

    def save(self, folder: Path, key: str, step: int) -> Form:
        """Keep it for `log({key: …})` at `step`; its JSON form, in which paths are relative to `folder`."""
        raise NotImplementedError

    @classmethod
    def read(cls, form: Mapping[str, Any], folder: Path) -> Media:
        """One of this kind again from what `save` returned, and the folder that was saved in."""
        raise UsageError(f"a {form['_type']} is not read back; open {folder / form.get('path', '')} itself")


class FileMedia(Media):
    """A media object that is one file: bytes in hand, or a file of the user's that is copied when it is logged."""

    _folder: ClassVar[str]

    def __init__(self, extension: str, source: bytes | Path, caption: str | None = None) -> None:
        self._extension, self._source, self._caption = extension, source, caption

    def save(self, folder: Path, key: str, step: int) -> Form:
        chunks = contents(self._source) if isinstance(self._source, Path) else [self._source]
        place = folder / "media" / self._folder
        kept = keep(chunks, place, lambda sha256: f"{safe_name(key)}_{step}_{sha256[:20]}{self._extension}")
        form = {"_type": self._type, "sha256": kept.sha256, "size": kept.size}
        form |= {"path": kept.path.relative_to(folder).as_posix(), **self._details(folder, key, step)}
        return form if self._caption is None else {**form, "caption": self._caption}

    def _details(self, folder: Path, key: str, step: int) -> Form:
        return {}


def existing_file(path: Any, what: str) -> Path:
    """The path of a file that is there; FileNotFoundError names it and what wanted it."""
    found = Path(path)
    if not found.is_file():
        raise FileNotFoundError(f"{what}: there is no file {str(path)!r}")
    return found.resolve()


def from_form(form: Mapping[str, Any], folder: Path) -> Media:
    """A media object of its JSON form and the folder that it was saved in. UsageError for kinds that are not read back."""
    return Media._kinds.get(form["_type"], Media).read(form, folder)


def saver(folder: Path, step: int) -> Fallback:
    """A fallback of `values.convert` that saves media where they stand, by the path to them."""

    def save(value: Any, path: str) -> Any:
        return value.save(folder, path, step) if isinstance(value, Media) else refuse(value, path)

    return save
