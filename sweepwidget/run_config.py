"""`run.config`: what the run was given, readable as attributes and items, with W&B's rules about changing it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import ConfigError, UsageError
from .term import termwarn
from .values import config_value


class RunConfig:
    """`config.lr`, `config["lr"]`, `config.get("lr", 0)`, `config.update({...})`, `dict(config)`.

    Keys that a sweep chose are locked: changing them warns and is ignored (W&B's rule).
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        locked: frozenset[str] = frozenset(),
        changed: Callable[[Mapping[str, Any]], None] | None = None,
        allow_val_change: bool = False,
    ) -> None:
        self.__dict__.update(
            _values=dict(values), _locked=locked, _changed=changed, _allow=allow_val_change, _closed=False
        )

    # -- reading ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["_values"][key]
        except KeyError:
            raise AttributeError(f"config has no {key!r}; it has {', '.join(self.keys()) or 'nothing'}") from None

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def keys(self) -> list[str]:
        return [key for key in self._values if not key.startswith("_")]

    def items(self) -> list[tuple[str, Any]]:
        return [(key, self._values[key]) for key in self.keys()]

    def user_items(self) -> Iterator[tuple[str, Any]]:
        """All (key, value) pairs that are the user's (W&B 0.8–0.9)."""
        return ((key, value) for key, value in self._values.items() if key != "_wandb")

    def as_dict(self) -> dict[str, Any]:
        return dict(self.items())

    def __repr__(self) -> str:
        return repr(self.as_dict())

    __str__ = __repr__

    # -- changing -----------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self._change(config_from({key: value}), allow_val_change=None)

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Change several keys: a dict, an argparse Namespace, or the path of a YAML file."""
        self._change(config_from(d), allow_val_change)

    def setdefaults(self, d: Any) -> None:
        """Add keys that are absent; never overrides (nor warns)."""
        self._change({k: v for k, v in config_from(d).items() if k not in self._values}, None)

    def _change(self, changes: Mapping[str, Any], allow_val_change: bool | None) -> None:
        if self._closed:
            raise UsageError("the run is finished: its config can no longer be changed")
        accepted = {}
        for key, value in changes.items():
            if key in self._locked:
                if self._values.get(key) != value:
                    termwarn(f"Config item '{key}' was locked by 'sweep' (ignored update).")
                continue
            if key in self._values and self._values[key] != value and not (allow_val_change or self._allow):
                raise ConfigError(
                    f'Attempted to change value of key "{key}" from {self._values[key]} to {value}\n'
                    "If you really want to do this, pass allow_val_change=True to config.update()"
                )
            accepted[key] = value
        if accepted:
            self._values.update(accepted)
            if self._changed is not None:
                self._changed(dict(self._values))

    def _close(self) -> None:
        self.__dict__.update(_closed=True, _changed=None)


class StaticConfig:
    """A read-only attribute view of a config (`run.config_static`)."""

    def __init__(self, config: RunConfig) -> None:
        object.__setattr__(self, "_config", config)

    def __getattr__(self, key: str) -> Any:
        return getattr(object.__getattribute__(self, "_config"), key)

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def keys(self) -> list[str]:
        keys: list[str] = self._config.keys()
        return keys

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("config_static is read-only; use config")

    def __repr__(self) -> str:
        return repr(self._config)


def config_from(given: Any) -> dict[str, Any]:
    """A config of plain values from what W&B's `init(config=…)` takes: dict, Mapping, Namespace, absl flags, YAML path,
    None.
    """
    return {_clean(key): config_value(value, f"config.{key}") for key, value in _mapping_of(given).items()}


def _mapping_of(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, RunConfig):
        return given.as_dict()
    if isinstance(given, argparse.Namespace):
        return dict(vars(given))
    if hasattr(given, "flag_values_dict"):  # absl
        return dict(given.flag_values_dict())
    if isinstance(given, (str, Path)):
        return _from_yaml(Path(given))
    if hasattr(given, "keys") and hasattr(given, "__getitem__"):
        return {key: given[key] for key in given.keys()}  # noqa: SIM118  (dict-likes need not iterate over keys)
    raise UsageError(f"config must be a dict, a Namespace or the path of a YAML file, not {type(given).__name__}")


def _from_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the config file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise UsageError(f"{path} does not hold a mapping of names to values")
    # W&B's own files say {lr: {value: 0.1}} and carry a wandb_version
    loaded.pop("wandb_version", None)
    return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in loaded.items()}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, dicts merged key by key (W&B: init's config under the sweep's)."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _clean(key: str) -> str:
    if not isinstance(key, str):
        raise UsageError(f"config keys must be strings, not {key!r}")
    return key.strip("-")
