"""Files of a run: copied beside the store, never outside their folder."""

from __future__ import annotations

import glob
import shutil
from pathlib import Path

from .errors import UsageError


def copy_into(folder: Path, pattern: str | Path, base_path: str | Path | None) -> list[str]:
    """Copy the files that match into `folder`, keeping their path below `base_path` (default: their own folder).
    Returns the new paths; raises UsageError for a path outside the base.
    """
    base = Path(base_path).resolve() if base_path is not None else None
    copied = []
    for found in sorted(glob.glob(str(pattern), recursive=True)):  # noqa: PTH207  (absolute patterns)
        source = Path(found).resolve()
        if not source.is_file():
            continue
        if base is not None and base not in source.parents:
            raise UsageError(f"save({str(pattern)!r}): {source} is not inside base_path {base}")
        target = folder / (source.relative_to(base) if base is not None else source.name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(source, target)
        copied.append(str(target))
    return copied
