"""From which code, packages and commit a run comes: one text, kept once under a key of its content.

Reads what is at hand and leaves out what is not; no value of an environment variable and no argument of a command line
gets in, because both hold secrets. Whatever callable it is given, it does not fail.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

GIT_TIMEOUT_S = 2.0
PROGRAM_LIMIT = 1 << 20
"""Bytes of a program's source that are kept; of a longer one only the hash."""


def provenance(function: Callable[..., Any] | None, program: str | None = None) -> tuple[str, str]:
    """(key, JSON text) of where runs of this function or program come from; the key is the SHA-256 of the text.

    The same code in the same surroundings has the same key in every process. Takes some 15 ms, half of them for git.

    >>> key, text = provenance(train)                                                            # doctest: +SKIP
    >>> json.loads(text)["git"]                                                                  # doctest: +SKIP
    {'branch': 'main', 'commit': '05595e6…', 'dirty': True, 'remote': 'https://example.org/me/project'}
    """
    facts = {
        "function": function_facts(function) if function is not None else None,
        "program": _program(program) if program else None,
        "notebook": _notebook(),
        "git": _git(),
        "packages": _packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
    }
    text = json.dumps({name: fact for name, fact in facts.items() if fact}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest(), text


def code_name(text: str) -> str:
    """Which code it was, shortly, of a provenance's text: `train@a1f3`; "" if it does not say.

    >>> code_name('{"function": {"name": "__main__.train", "code": "a1f39c"}}')
    'train@a1f3'
    """
    facts = json.loads(text or "{}")
    code = facts.get("function") or facts.get("program") or {}
    name = code.get("name", "").rpartition(".")[2] or Path(code.get("path", "")).name
    return f"{name}@{code['code'][:4]}" if code.get("code") else ""


# -- the code ---------------------------------------------------------------------------------------------------------


def function_facts(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Its name, where it was written, its source, and the hash of what really runs (a file may have been edited)."""
    facts: dict[str, Any] = {"name": type(function).__qualname__}
    with contextlib.suppress(Exception):  # objects may answer anything to any question
        target = written_function(function)
        facts["name"] = f"{target.__module__}.{target.__qualname__}"
        with contextlib.suppress(OSError, TypeError):  # written by `exec`, or in C
            facts["source"] = inspect.getsource(target)
        code = getattr(target, "__code__", None)
        if isinstance(code, CodeType):
            facts |= {"where": where_written(code.co_filename), "line": code.co_firstlineno, "code": _digest(code)}
    return facts


def written_function(function: Callable[..., Any]) -> Any:
    """The function or class somebody wrote, below partials, decorators, methods and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    target = inspect.unwrap(function)
    if not (inspect.isroutine(target) or inspect.isclass(target)):
        target = type(target).__call__
    return getattr(target, "__func__", target)


def where_written(filename: str) -> str:
    """`In[3]` for a notebook's cell, else the file."""
    with contextlib.suppress(Exception):  # other shells, older ones
        label = sys.modules["IPython"].get_ipython().compile.format_code_name(filename)
        if label:
            return str(label[1])
    # Older kernels name cells after a hash of their text, in a folder named after the process.
    return re.sub(r".*ipykernel_\d+[/\\]", "cell ", filename)


def _digest(code: CodeType) -> str:
    """The same for the same code in every process (of one Python version), wherever it stands in its file."""
    return hashlib.sha256(repr(_plain(code)).encode(errors="backslashreplace")).hexdigest()


def _plain(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        code = constant
        return [code.co_name, code.co_code, code.co_names, code.co_varnames, [_plain(each) for each in code.co_consts]]
    if isinstance(constant, frozenset):  # its order differs from process to process
        return sorted(map(repr, constant))
    return repr(constant)


def _program(program: str) -> Mapping[str, Any]:
    facts: dict[str, Any] = {"path": program}
    with contextlib.suppress(OSError, ValueError):  # not there (its start will tell), or not text
        source = Path(program).read_bytes()
        facts["code"] = hashlib.sha256(source).hexdigest()
        if len(source) <= PROGRAM_LIMIT:
            facts["source"] = source.decode()
    return facts


def _notebook() -> str:
    """The notebook's path where the front end tells it (Jupyter, VS Code), else the script's."""
    main = getattr(sys.modules.get("__main__"), "__dict__", {})
    return str(main.get("__session__") or main.get("__vsc_ipynb_file__") or main.get("__file__") or "")


# -- the packages -----------------------------------------------------------------------------------------------------

_INSTALLED = re.compile(r"(?P<name>[^~-][^-]*)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist|egg)-info")


def _packages() -> Mapping[str, str]:
    """Versions of the packages that are imported in this process.

    `importlib.metadata` parses every package's metadata for this (145 ms here, seconds on Colab); the names of its
    folders hold the same. A package whose module has another name (`sklearn`) is listed by it, with its `__version__`.
    """
    installed = dict(_installed())
    found = {}
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        version = installed.get(name.lower()) or _version_of(module)
        if version:
            found[name] = version
    return found


def _version_of(module: Any) -> str:
    """What it says of itself, without waking a lazy module."""
    if not issubclass(type(module), ModuleType):
        return ""
    version = object.__getattribute__(module, "__dict__").get("__version__")
    return version if isinstance(version, str) else ""


def _installed() -> Iterator[tuple[str, str]]:
    """(name as a module would have it, version) of what lies in the folders for packages."""
    for folder in reversed(sys.path):  # the first one wins
        if folder.endswith(("site-packages", "dist-packages")):
            with contextlib.suppress(OSError):
                for match in filter(None, (_INSTALLED.fullmatch(each.name) for each in Path(folder).iterdir())):
                    yield re.sub(r"[-_.]+", "_", match["name"]).lower(), match["version"]


# -- the commit -------------------------------------------------------------------------------------------------------


def _git() -> Mapping[str, Any] | None:
    """Commit, branch, whether tracked files were changed, and the remote without what is secret in it."""
    with contextlib.suppress(OSError):  # the folder was deleted
        here = Path.cwd()
        if not any((folder / ".git").exists() for folder in (here, *here.parents)):
            return None
    lines = _git_says("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=dirty")
    about = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    if "branch.oid" not in about:
        return None
    remote = _git_says("config", "--get", "remote.origin.url")
    return {
        "commit": about["branch.oid"],
        "branch": about.get("branch.head", ""),
        "dirty": any(not line.startswith("#") for line in lines),
        "remote": _without_secrets(remote[0]) if remote else "",
    }


def _git_says(*command: str) -> list[str]:
    """Lines of git's answer; none if there is no git, no repository, or no answer in time."""
    try:
        done = subprocess.run(
            # A repository's own configuration must not start programs here.
            ["git", "-c", "core.fsmonitor=false", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=GIT_TIMEOUT_S,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # the user's own git must never find the index locked
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode(errors="replace").splitlines()


def _without_secrets(url: str) -> str:
    """`https://me:token@host/project?key=…` → `https://host/project`."""
    return re.sub(r"^(\w[\w+.-]*://)?.*@", lambda match: match[1] or "", re.sub(r"[?#].*", "", url))
