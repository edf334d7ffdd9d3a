"""What kernel agents share out and may use up: the GPUs of this machine, and memory."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from ..errors import UsageError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([A-Z]*)\s*", re.IGNORECASE)

# -- GPUs -----------------------------------------------------------------------------------------------------------


@frozen
class Gpus:
    """GPUs that kernels are pinned to, one each."""

    names: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES takes them; empty: kernels are not pinned."""
    order: str = ""
    """CUDA_DEVICE_ORDER that these names suppose; '' leaves it as it is."""

    def environment(self, place: int) -> Mapping[str, str]:
        """What pins the kernel that is number `place` (0, 1, …): its GPU is its alone while there are enough."""
        if not self.names:
            return {}
        pin = {"CUDA_VISIBLE_DEVICES": self.names[place % len(self.names)]}
        return pin | {"CUDA_DEVICE_ORDER": self.order} if self.order else pin


def find_gpus(gpus: str | Sequence[int | str] | None, env: Mapping[str, str]) -> Gpus:
    """The GPUs of `gpus=`: "auto" takes those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi knows; a list names them.

    UsageError if there are none.

    >>> find_gpus([0, 2], {}).environment(place=3)
    {'CUDA_VISIBLE_DEVICES': '2'}
    """
    if gpus is None:
        return Gpus()
    if gpus != "auto":
        return Gpus(_named(gpus))
    visible = env.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return Gpus(_asked(), order="PCI_BUS_ID")  # as nvidia-smi counts
    names = [name.strip() for name in visible.split(",")]
    if "-1" in names:  # CUDA sees those before it
        names = names[: names.index("-1")]
    if not any(names):
        raise UsageError(
            f"gpus='auto': CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs; unset it, or leave gpus= out to train on the CPU"
        )
    return Gpus(tuple(filter(None, names)))


def _named(gpus: object) -> tuple[str, ...]:
    names = list(gpus) if isinstance(gpus, (list, tuple, range)) else []
    if not names or any(isinstance(name, bool) or not isinstance(name, (int, str)) for name in names):
        raise UsageError(f"gpus= takes 'auto' or a list of GPUs such as [0, 1], not {gpus!r}")
    return tuple(map(str, names))


def _asked() -> tuple[str, ...]:
    """What nvidia-smi lists: numbers; of a GPU that is divided (MIG) the names of its parts."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(
            f"gpus='auto': no GPU was found ({_why(error)}). Name them, gpus=[0, 1], or leave gpus= out to train on the CPU"
        ) from None
    names: list[str] = []
    for gpu, parts in re.findall(r"^GPU (\d+):.*$((?:\n\s+MIG .*)*)", listing, re.MULTILINE):
        names += re.findall(r"UUID: (MIG-[^)\s]+)", parts) or [gpu]
    if not names:
        raise UsageError("gpus='auto': nvidia-smi lists no GPU; leave gpus= out to train on the CPU")
    return tuple(names)


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return (error.stdout or error.stderr or str(error)).strip().splitlines()[0]
    return "nvidia-smi is not on PATH" if isinstance(error, FileNotFoundError) else str(error)


# -- memory ---------------------------------------------------------------------------------------------------------


def bytes_of(memory: int | str | None) -> int | None:
    """A limit such as `memory="4GB"` (10⁹ bytes each; GiB: 2³⁰) in bytes. UsageError for anything else.

    >>> bytes_of("1.5 GiB")
    1610612736
    """
    if memory is None:
        return None
    found = _SIZE.fullmatch(memory) if isinstance(memory, str) else None
    size = float(found[1]) * _UNITS.get(found[2].upper() or "B", 0) if found else memory
    if isinstance(size, bool) or not isinstance(size, (int, float)) or size < 1:
        raise UsageError(f"memory= takes bytes or a text such as '4GB' or '500 MiB', not {memory!r}")
    return int(size)


def shown_bytes(size: float) -> str:
    """For people.

    >>> shown_bytes(4_312_000_000), shown_bytes(4_000_000_000), shown_bytes(512)
    ('4.3 GB', '4 GB', '512 B')
    """
    unit = next((unit for unit in ("TB", "GB", "MB", "KB") if size >= _UNITS[unit]), "B")
    return f"{round(size / _UNITS[unit], 1):g} {unit}"


def memory_of_tree(pid: int, limit: int) -> int:
    """Bytes of memory that a process and its descendants have resident.

    Exact only where it matters: pages that forked workers share count once, but to find out takes long, and is only done
    when the sum of all is above `limit`.
    """
    import psutil

    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    used = _sum(tree, lambda process: int(process.memory_info().rss))
    return used if used <= limit else _sum(tree, _own_share)


def _sum(tree: Sequence[Any], measure: Callable[[Any], int]) -> int:
    import psutil

    total = 0
    for process in tree:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is another user's
            total += measure(process)
    return total


def _own_share(process: Any) -> int:
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.uss))
