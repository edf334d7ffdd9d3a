"""Builds the dashboard's front end when the package is built: `pip install .`, `pip install -e .`, `python -m build`.

With Node.js it is built from js/; a source distribution carries it ready-made. Without either the package is installed all the
same, and a dashboard says what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = 20


class FrontEnd(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `npm install` and build.mjs where js/ is newer than what was built from it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        source, built = root / "js", root / "sweepwidget" / "static" / "dashboard.js"
        if not (source / "src").is_dir() or _is_fresh(source, built):
            return
        if why := _no_node() or _build(source):
            self.app.display_warning(
                f"The dashboard is not built: {why}. Everything else works; for the dashboard install Node.js {NODE} or newer "
                "and run `make js`, or install a wheel."
            )


def _build(source: Path) -> str:
    """Why it could not be built, or ''."""
    npm = shutil.which("npm") or "npm"
    # Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms.
    install = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    for command in (install, [npm, "run", "--silent", "build"]):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"`{' '.join(command[1:3])}` failed: {done.stderr.strip()[-1000:]}"
    return ""


def _is_fresh(source: Path, built: Path) -> bool:
    if not built.is_file():
        return False
    files = [*source.glob("*.*"), *(path for path in (source / "src").rglob("*") if path.is_file())]
    return built.stat().st_mtime >= max(path.stat().st_mtime for path in files)


def _no_node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return "Node.js (node and npm) is not on PATH"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = version.lstrip("v").partition(".")[0]
    return "" if major.isdigit() and int(major) >= NODE else f"Node.js is {version or 'broken'}, and {NODE} is needed"
