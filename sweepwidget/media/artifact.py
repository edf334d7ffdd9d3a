"""Artifacts: named, versioned collections of files, kept beside the store.

`artifacts/<name>/v0/`, `v1/` … each hold the files and, in `manifest.json`, what they are. A version appears when it is
complete and never changes; the same contents again are the same version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

from attrs import frozen

from ..errors import StoreUnavailable, UsageError
from ..values import native
from .filing import contents, inside, keep
from .mediafile import from_form

StrPath: TypeAlias = "str | os.PathLike[str]"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@frozen
class ArtifactEntry:
    """One file of an artifact."""

    path: str
    """Its name inside the artifact, with `/`."""
    local_path: Path
    """Where its contents are."""
    size: int

    def download(self, root: StrPath | None = None) -> str:
        """The path of the file; with `root`, of a copy below it."""
        return str(_copied(self.local_path, Path(root) / self.path)) if root is not None else str(self.local_path)


class Artifact:
    """Files that belong together: a data set, a model.

    >>> model = wandb.Artifact("mnist-cnn", type="model", metadata={"acc": 0.98})      # doctest: +SKIP
    >>> model.add_file("weights.pt")      # doctest: +SKIP
    >>> run.log_artifact(model)      # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  (W&B's name)
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        incremental: bool = False,
        use_as: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or set(name) == {"."}:
            raise ValueError(
                "Artifact name may only contain alphanumeric characters, dashes, underscores, and dots "
                f"(at most 128). Invalid name: {name!r}"
            )
        self.name, self.type, self.description = name, type, description
        self.metadata: dict[str, Any] = native(dict(metadata or {}), f"Artifact({name!r}).metadata")
        self.version: str | None = None
        """`v0`, `v1` … once it has been logged."""
        self._entries: dict[str, ArtifactEntry] = {}
        self._references: dict[str, str] = {}
        self._stage: Path | None = None
        self._folder: Path | None = None

    # -- what is in it ------------------------------------------------------------------------------------------

    def add_file(
        self,
        local_path: StrPath,
        name: str | None = None,
        is_tmp: bool | None = False,
        skip_cache: bool | None = False,
        policy: str | None = "mutable",
        overwrite: bool = False,
    ) -> ArtifactEntry:
        """Add a file as it is now; ValueError if there is none. With `policy="immutable"` it is not copied before the
        artifact is logged.
        """
        source = Path(local_path)
        if not source.is_file():
            raise ValueError(f"Path is not a file: {str(local_path)!r}")
        return self._add(source, name or source.name, overwrite, copy=policy != "immutable")

    def add_dir(
        self,
        local_path: StrPath,
        name: str | None = None,
        skip_cache: bool | None = False,
        policy: str | None = "mutable",
        merge: bool = False,
    ) -> None:
        """Add all files below a folder, under `name/` if given; ValueError if there is no such folder."""
        source = Path(local_path)
        if not source.is_dir():
            raise ValueError(f"Path is not a directory: {str(local_path)!r}")
        for path in sorted(source.rglob("*")):
            if path.is_file():
                inner = path.relative_to(source).as_posix()
                self._add(path, f"{name}/{inner}" if name else inner, merge, copy=policy != "immutable")

    @contextlib.contextmanager
    def new_file(self, name: str, mode: str = "w", encoding: str | None = None) -> Iterator[IO[Any]]:
        """Write a file into the artifact: `with artifact.new_file("notes.txt") as f: f.write("…")`."""
        entry = self._entry_path(name, overwrite=False)
        path = self._staged(entry)
        with path.open(mode, encoding=encoding or (None if "b" in mode else "utf-8")) as file:
            yield file
        self._entries[entry] = ArtifactEntry(entry, path, path.stat().st_size)

    def add(self, obj: Any, name: str, overwrite: bool = False) -> ArtifactEntry:
        """Add a media object (Table, Image …): its description as `<name>.json`, its files under `media/`."""
        path = self._entry_path(f"{name}.json", overwrite)
        stage = self._stage_folder()
        self._staged(path).write_text(json.dumps(obj.save(stage, name, 0)), encoding="utf-8")
        for file in sorted((stage / "media").rglob("*")):
            if file.is_file():
                self._add_staged(file.relative_to(stage).as_posix())
        return self._add_staged(path)

    def get(self, name: str) -> Any:
        """The media object that was added under a name, or None: `artifact.get("predictions")`."""
        entry = self._entries.get(f"{name}.json")
        if entry is None:
            return None
        root = Path(str(entry.local_path)[: -len(entry.path)])
        return from_form(json.loads(entry.local_path.read_text(encoding="utf-8")), root)

    def add_reference(self, uri: str, name: str | None = None, **_: Any) -> None:
        """Note where something else is kept; it is not fetched."""
        uri = str(uri)
        self._references[name or uri.rstrip("/").rpartition("/")[2]] = uri

    def remove(self, item: str | ArtifactEntry) -> None:
        """Take a file out again; FileNotFoundError if it is not in."""
        name = item.path if isinstance(item, ArtifactEntry) else str(item)
        self._changing()
        if name not in self._entries:
            raise FileNotFoundError(f"artifact {self.name!r} has no file {name!r}; it has {self._listing()}")
        del self._entries[name]

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> Mapping[str, ArtifactEntry]:
        """Its files by name."""
        return dict(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(entry.size for entry in self._entries.values())

    @property
    def qualified_name(self) -> str:
        return f"{self.name}:{self.version or 'draft'}"

    def get_entry(self, name: StrPath) -> ArtifactEntry:
        """A file by its name; KeyError lists what there is."""
        entry = self._entries.get(Path(name).as_posix())
        if entry is None:
            raise KeyError(f"artifact {self.name!r} has no file {str(name)!r}; it has {self._listing()}")
        return entry

    get_path = get_entry

    def files(self) -> list[ArtifactEntry]:
        return list(self._entries.values())

    def file(self, root: StrPath | None = None) -> str:
        """The path of its only file; ValueError if it has more, or none."""
        if len(self._entries) != 1:
            raise ValueError(f"artifact {self.name!r} has {len(self._entries)} files, not one: {self._listing()}")
        return next(iter(self._entries.values())).download(root)

    def download(self, root: StrPath | None = None, **_: Any) -> str:
        """The folder with its files; with `root`, they are copied there. UsageError before it is logged."""
        if self._folder is None:
            raise UsageError(f"artifact {self.name!r} has not been logged yet: run.log_artifact(artifact) first")
        if root is None:
            return str(self._folder)
        for entry in self._entries.values():
            entry.download(root)
        return str(root)

    def wait(self, timeout: int | None = None) -> Artifact:
        """Nothing to wait for: it is kept when `log_artifact` returns."""
        return self

    def __repr__(self) -> str:
        return f"<Artifact {self.qualified_name} ({self.type}), {len(self._entries)} files>"

    # -- inside -------------------------------------------------------------------------------------------------

    def _changing(self) -> None:
        if self.version is not None:
            raise UsageError(
                f"artifact {self.qualified_name} has been logged and does not change any more; "
                f"make a new Artifact({self.name!r}, …) for its next version"
            )

    def _entry_path(self, name: str, overwrite: bool) -> str:
        self._changing()
        path = inside(str(name))
        if path is None:
            raise ValueError(f"{name!r} is not a name inside an artifact: use a relative path such as 'data/train.csv'")
        if str(path) in self._entries and not overwrite:
            raise ValueError(f"artifact {self.name!r} has a file {str(path)!r} already (overwrite=True replaces it)")
        return str(path)

    def _add(self, source: Path, name: str, overwrite: bool, copy: bool) -> ArtifactEntry:
        path = self._entry_path(name, overwrite)
        kept = _copied(source, self._staged(path)) if copy else source.resolve()
        entry = self._entries[path] = ArtifactEntry(path, kept, kept.stat().st_size)
        return entry

    def _add_staged(self, path: str) -> ArtifactEntry:
        local = self._stage_folder() / path
        entry = self._entries[path] = ArtifactEntry(path, local, local.stat().st_size)
        return entry

    def _staged(self, path: str) -> Path:
        staged = self._stage_folder() / path
        staged.parent.mkdir(parents=True, exist_ok=True)
        return staged

    def _stage_folder(self) -> Path:
        if self._stage is None:
            self._stage = Path(tempfile.mkdtemp(prefix="sweepwidget-artifact-"))
            weakref.finalize(self, shutil.rmtree, self._stage, ignore_errors=True)
        return self._stage

    def _listing(self) -> str:
        names = sorted(self._entries)
        return (", ".join(names[:10]) + (" …" if len(names) > 10 else "")) or "none"


# -- in the store -----------------------------------------------------------------------------------------------------

_MANIFEST = "manifest.json"


def store_artifact(folder: Path, artifact: Artifact, aliases: Sequence[str] = ()) -> Path:
    """Keep an artifact below `folder/artifacts` and return the folder of its files.

    It becomes the next version of its name, or the latest one if that has the same contents, type and metadata; from then
    on it cannot be changed. An alias ("best") moves to this version. Raises StoreUnavailable if it cannot be written.
    """
    versions = folder / "artifacts" / artifact.name
    if wrong := [alias for alias in aliases if not _NAME.fullmatch(alias) or re.fullmatch(r"v\d+|\.+", alias)]:
        raise ValueError(f"{wrong[0]!r} cannot be an alias: use letters, digits, -, _ and . (and not v0, v1 …)")
    if artifact._folder is None:
        _keep_version(versions, artifact)
    for alias in aliases:
        keep([str(artifact.version).encode()], versions / "aliases", alias)
    assert artifact._folder is not None
    return artifact._folder


def _keep_version(versions: Path, artifact: Artifact) -> None:
    try:
        versions.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(dir=versions, prefix=".new-"))
        try:
            number = _publish(versions, draft, artifact)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise StoreUnavailable(f"cannot keep artifact {artifact.name!r} in {versions}: {error}") from error
    _settle(artifact, versions / f"v{number}")


def load_artifact(folder: Path, name: str, type: str | None = None) -> Artifact:  # noqa: A002
    """An artifact that was kept below `folder`: "model", "model:latest", "model:v3" or "model:<alias>" (a leading
    "entity/project/" is ignored). ValueError says what there is instead.
    """
    plain, _, alias = name.rpartition("/")[2].partition(":")
    versions = folder / "artifacts" / plain
    numbers = _versions(versions) if _NAME.fullmatch(plain) else []
    if not numbers:
        parent = folder / "artifacts"
        known = sorted(path.name for path in parent.iterdir() if _versions(path)) if parent.is_dir() else []
        raise ValueError(f"no artifact {plain!r} in this store; it has {', '.join(known[:20]) or 'none'}")
    wanted = f"v{numbers[-1]}" if alias in ("", "latest") else _aliases(versions).get(alias, alias)
    if wanted not in {f"v{number}" for number in numbers}:
        named = "".join(f", {name} is {version}" for name, version in sorted(_aliases(versions).items()))
        raise ValueError(f"artifact {plain!r} has no version {alias!r}; the latest is v{numbers[-1]}{named}")
    manifest = json.loads((versions / wanted / _MANIFEST).read_text(encoding="utf-8"))
    if type is not None and manifest["type"] != type:
        raise ValueError(f"artifact {plain}:{wanted} is of type {manifest['type']!r}, not {type!r}")
    artifact = Artifact(plain, manifest["type"], manifest["description"], manifest["metadata"])
    artifact._references = manifest["references"]
    _settle(artifact, versions / wanted, manifest)
    return artifact


def _aliases(versions: Path) -> dict[str, str]:
    """What each alias stands for: `{"best": "v3"}`."""
    folder = versions / "aliases"
    return {path.name: path.read_text() for path in folder.glob("[!.]*")} if folder.is_dir() else {}


def _publish(versions: Path, draft: Path, artifact: Artifact) -> int:
    """Complete the draft and give it the next free number; the number of the latest version if nothing differs."""
    files = {}
    (draft / "files").mkdir()
    for name, entry in artifact._entries.items():
        kept = keep(contents(entry.local_path), (draft / "files" / name).parent, Path(name).name)
        files[name] = {"sha256": kept.sha256, "size": kept.size}
    facts = {
        "name": artifact.name,
        "type": artifact.type,
        "description": artifact.description,
        "metadata": artifact.metadata,
        "files": files,
        "references": artifact._references,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**facts, "digest": digest}, indent=1)
    keep([text.encode()], draft, _MANIFEST)
    while True:
        numbers = _versions(versions)
        if numbers and _digest(versions / f"v{numbers[-1]}") == digest:
            return numbers[-1]
        number = numbers[-1] + 1 if numbers else 0
        with contextlib.suppress(FileExistsError):
            _rename_new(draft, versions / f"v{number}")
            return number


def _rename_new(source: Path, target: Path) -> None:
    """Rename a folder; FileExistsError if another process was faster (rename(2) says ENOTEMPTY)."""
    try:
        source.rename(target)
    except OSError as error:
        if target.exists():
            raise FileExistsError(str(target)) from error
        raise


def _settle(artifact: Artifact, version: Path, manifest: Mapping[str, Any] | None = None) -> None:
    files = (
        manifest["files"] if manifest is not None else {name: {"size": e.size} for name, e in artifact._entries.items()}
    )
    artifact.version, artifact._folder = version.name, version / "files"
    artifact._entries = {
        name: ArtifactEntry(name, version / "files" / name, facts["size"]) for name, facts in files.items()
    }


def _versions(folder: Path) -> list[int]:
    """The numbers of the complete versions, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name[1:]) for path in folder.iterdir() if re.fullmatch(r"v\d+", path.name))


def _digest(version: Path) -> str:
    digest: str = json.loads((version / _MANIFEST).read_text(encoding="utf-8"))["digest"]
    return digest


def _copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return keep(contents(source), target.parent, target.name).path
