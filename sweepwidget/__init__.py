"""Hyperparameter sweeps that live inside a Jupyter notebook: the W&B Sweeps API without an account or a server.

>>> import sweepwidget as wandb
>>> sweep_id = wandb.sweep({"method": "grid", "parameters": {"lr": {"values": [0.1, 0.01]}}})      # doctest: +SKIP
>>> wandb.agent(sweep_id, function=train)      # doctest: +SKIP

Importing does nothing: every name below is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import plot
    from .active_run import Run
    from .api import (
        agent,
        alert,
        cancel,
        controller,
        define_metric,
        log,
        log_artifact,
        log_code,
        login,
        mark_preempting,
        pause,
        restore,
        resume,
        save,
        setup,
        stop,
        stop_run,
        sweep,
        teardown,
        unwatch,
        use_artifact,
        watch,
    )
    from .dashboards import dashboard
    from .errors import ConfigError, ControllerError, Error, RunStopped, StoreError, SweepNotFound, UsageError
    from .foreground import run_one
    from .media import Artifact, Audio, Histogram, Html, Image, Plotly, Table, Video
    from .public import Api
    from .session import finish, init
    from .settings import Settings
    from .sharing import share, unshare
    from .stores import use_store
    from .term import AlertLevel, termerror, termlog, termwarn
    from .widget.dashboard import AgentsPanel, ConfigEditor, Curves, Dashboard, RunsTable

    run: Run | None
    config: Any
    summary: Any
    __version__: str

_HOMES = {
    "active_run": "Run",
    "api": "agent alert cancel controller define_metric log log_artifact log_code login mark_preempting pause restore "
    "resume save setup stop stop_run sweep teardown unwatch use_artifact watch",
    "dashboards": "dashboard",
    "errors": "ConfigError ControllerError Error RunStopped StoreError SweepNotFound UsageError",
    "foreground": "run_one",
    "media": "Artifact Audio Histogram Html Image Plotly Table Video",
    "public": "Api",
    "session": "finish init",
    "settings": "Settings",
    "sharing": "share unshare",
    "stores": "use_store",
    "term": "AlertLevel termerror termlog termwarn",
    "widget.dashboard": "AgentsPanel ConfigEditor Curves Dashboard RunsTable",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
_LIVE = ("run", "config", "summary")
"""Names whose meaning depends on where they are read: they are never kept."""

__all__ = [
    "AgentsPanel",
    "AlertLevel",
    "Api",
    "Artifact",
    "Audio",
    "ConfigEditor",
    "ConfigError",
    "ControllerError",
    "Curves",
    "Dashboard",
    "Error",
    "Histogram",
    "Html",
    "Image",
    "Plotly",
    "Run",
    "RunStopped",
    "RunsTable",
    "Settings",
    "StoreError",
    "SweepNotFound",
    "Table",
    "UsageError",
    "Video",
    "agent",
    "alert",
    "cancel",
    "config",
    "controller",
    "dashboard",
    "define_metric",
    "finish",
    "init",
    "log",
    "log_artifact",
    "log_code",
    "login",
    "mark_preempting",
    "pause",
    "plot",
    "restore",
    "resume",
    "run",
    "run_one",
    "save",
    "setup",
    "share",
    "stop",
    "stop_run",
    "summary",
    "sweep",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "unshare",
    "unwatch",
    "use_artifact",
    "use_store",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name == "plot":  # the one name that is a module
        from importlib import import_module

        return import_module(f"{__name__}.plot")
    if name in _LIVE:
        from . import live

        return getattr(live, name)()
    if name == "__version__":
        from importlib.metadata import version

        return version("sweepwidget")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
