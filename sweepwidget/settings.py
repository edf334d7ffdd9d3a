"""`wandb.Settings(...)`: accepted, kept, and without effect; there is nothing to set."""

from __future__ import annotations

from typing import Any


class Settings:
    """Holds whatever it is given as attributes: `Settings(start_method="thread").start_method`."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> None:
        """None for everything that was not given."""
        if name.startswith("__"):
            raise AttributeError(name)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"
