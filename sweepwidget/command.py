"""The command line of one trial: a sweep's `command` with W&B's macros filled in.

Pure: it reads no environment, no clock and no file, and what has to be written first comes back as text.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from .errors import UsageError

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_ENVVAR = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


@frozen
class CommandLine:
    """What to run. Every element reaches the program as it stands: there is no shell."""

    argv: tuple[str, ...]
    args_json: str | None = None
    """The text to write to `args_file` before the program starts; None: the command does not ask for it."""


def command_line(
    command: Sequence[Any] | None,
    program: str | None,
    config: Mapping[str, Any],
    *,
    env: Mapping[str, str],
    args_file: str,
    interpreter: str = sys.executable or "python",
    windows: bool = os.name == "nt",
) -> CommandLine:
    """The command of a sweep for one configuration (W&B's macros; its default command when there is none).

    An element is a macro only if it is `${…}` as a whole; an unknown one is left out, as W&B does. `${envvar:NAME}` may
    stand inside longer text; a variable that is not set becomes its own name. `${interpreter}` is the Python of this
    environment, where W&B says `python`: that may be missing, or another environment's. Raises UsageError if the
    command needs a program and the sweep names none.

    >>> command_line(None, "train.py", {"lr": 0.1}, env={}, args_file="", interpreter="python", windows=False).argv
    ('/usr/bin/env', 'python', 'train.py', '--lr=0.1')
    """
    if isinstance(command, str):
        raise UsageError(
            f"`command` of the sweep: expected a list of words, got {command!r}; write one word per element"
        )
    elements = [str(element) for element in command or DEFAULT_COMMAND]
    if not program and "${program}" in elements:
        raise UsageError(
            "this sweep has no `program`, and its command needs one (${program}): add `program: train.py` to the sweep's "
            "configuration, or pass the function to run as `agent(sweep_id, function=train)`"
        )
    macros = {
        **_arguments(config),
        "env": [] if windows else ["/usr/bin/env"],
        "interpreter": [interpreter],
        "program": [program or ""],
        "args_json_file": [args_file],
    }
    argv = tuple(word for element in elements for word in _expand(element, macros, env))
    if not argv:
        raise UsageError(f"`command` of the sweep is empty once its macros are filled in: {elements}; name what to run")
    return CommandLine(argv, macros["args_json"][0] if "${args_json_file}" in elements else None)


def _expand(element: str, macros: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> Sequence[str]:
    if _ENVVAR.search(element):
        return [_ENVVAR.sub(lambda match: env.get(match[1], match[1]), element)]
    if element.startswith("${") and element.endswith("}"):
        return macros.get(element[2:-1], ())
    return [element]


def _arguments(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every way of writing the parameters. Values are Python's `str()`: `True`, `None`, `{'name': 'sgd'}`."""
    pairs = [f"{name}={value}" for name, value in config.items()]
    return {
        "args": [f"--{pair}" for pair in pairs],
        "args_no_hyphens": pairs,
        "args_no_equals": [word for name, value in config.items() for word in (f"--{name}", str(value))],
        "args_no_boolean_flags": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in config.items()
            if value is not False
        ],
        "args_append_hydra": [f"+{pair}" for pair in pairs],
        "args_override_hydra": [f"++{pair}" for pair in pairs],
        "args_json": [json.dumps(dict(config))],
    }
