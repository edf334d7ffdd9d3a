"""The package's tests on other Pythons and other Jupyters: `make compat`, `make compat ROWS="colab lowest"`.

A row is an interpreter, the versions that must be there and the tests that must pass; a new one is a line in `ROWS`. Rows of
the same versions share an environment, kept in .venv-compat/. What cannot be run here is listed as such, never passed over.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

from attrs import frozen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / ".venv-compat"
PYPROJECT = ROOT / "pyproject.toml"
SHOWN = ("ipykernel", "ipywidgets", "anywidget", "jupyter_client", "traitlets", "plotly", "numpy")
LIMIT_S = 1800  # of a row's tests

# What meets the kernel, the widgets and the user's thread: the pump, output, agents, the dashboard's Python side, figures.
AGENTS = (
    "tests/test_pump.py",
    "tests/backends/test_kernel_agents.py",
    "tests/backends/test_shipping.py",
    "tests/widget/test_widget.py",
)
KERNEL = (
    *AGENTS,
    "tests/backends/test_conformance.py",
    "tests/hub/test_secrets.py",
    "tests/test_async_functions.py",
    "tests/test_foreground.py",
    "tests/test_import.py",
    "tests/test_output.py",
    "tests/test_plot.py",
    "tests/test_progress.py",
    "tests/test_provenance.py",
    "tests/test_seed_texts.py",
    "tests/test_wandb_agent.py",
    "tests/test_wandb_run.py",
    "tests/widget",
)
WHOLE = ("tests", "--ignore=tests/browser", "-m", "not slow")


@frozen
class Row:
    """Which tests must pass where. `pythons` may do in its place, the first one that is found is taken."""

    name: str
    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()
    tests: tuple[str, ...] = KERNEL
    group: str = "compat"

    @property
    def arguments(self) -> tuple[str, ...]:
        """pytest's. Pinned packages may warn of what came after them; we may not, and the newest may not."""
        if not self.pins:
            return self.tests
        # ResourceWarning: jupyter_client 7.4 leaves a context of its own to the garbage collector
        later = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ResourceWarning")
        filters = ["error", *(f"default::{name}" for name in later), *(rf"error::{name}:sweepwidget" for name in later)]
        return (*self.tests, "-o", "filterwarnings=" + "\n".join(filters))


@frozen
class Outcome:
    """How a row went; `seen` are the versions that were really there."""

    row: str
    verdict: str
    why: str = ""
    seen: str = ""
    seconds: float = 0.0


def lowest() -> tuple[str, ...]:
    """The lowest version that pyproject.toml allows of each package we depend on, the optional ones too."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return tuple(re.sub(r"\[.*\]", "", one).replace(">=", "==") for one in wanted)


COLAB = (
    "anywidget==0.9.21",
    "ipykernel==6.17.1",
    "ipython==7.34.0",
    "ipywidgets==7.7.1",
    "jupyter_client==7.4.9",
    "plotly==5.24.1",
    "pyzmq==26.2.1",
    "tornado==6.5.1",
    "traitlets==5.7.1",
)
ROWS = (
    Row("lowest-agents", ("3.10", "3.11"), lowest(), AGENTS),  # CI's row: all of it is older than what CI has elsewhere
    Row("lowest", ("3.10", "3.11"), lowest()),
    Row("colab", ("3.13",), COLAB),
    Row("ipykernel6.17", ("3.11",), ("ipykernel==6.17.*",)),
    Row("ipykernel6.31", ("3.12",), ("ipykernel==6.31.*",)),
    Row("ipykernel7.3", ("3.13",), ("ipykernel==7.3.*",)),
    Row("ipykernel7.4", ("3.13",), ("ipykernel==7.4.*", "ipywidgets==8.*")),
    Row("ipywidgets7.7", ("3.12",), ("ipywidgets==7.7.*",)),
    *(Row(f"python{version}", (version,), (), WHOLE, "test") for version in ("3.10", "3.11", "3.12", "3.13", "3.14")),
)


def main(names: list[str]) -> int:
    """Run these rows, or all; 0 if nothing failed."""
    rows = {row.name: row for row in ROWS}
    if unknown := sorted(set(names) - set(rows)):
        print(f"no row {', '.join(unknown)}; there are: {' '.join(rows)}", file=sys.stderr)
        return 2
    outcomes = [run(rows[name]) for name in names or rows]
    print(table(outcomes))
    return int(any(outcome.verdict == "FAILED" for outcome in outcomes))


def run(row: Row) -> Outcome:
    """One row, from the interpreter to the verdict."""
    print(f"\n== {row.name}", flush=True)
    begin = time.monotonic()
    python = next((found for version in row.pythons if (found := interpreter(version))), None)
    if python is None:
        return Outcome(row.name, "not run", f"no Python {' or '.join(row.pythons)} on PATH or in PYTHONS")
    try:
        python = environment(row, python)
    except subprocess.CalledProcessError as error:
        return Outcome(row.name, "FAILED", f"`{' '.join(map(str, error.cmd[1:]))}` ended with {error.returncode}")
    verdict, why = tests(row, python)
    return Outcome(row.name, verdict, why, versions(python), time.monotonic() - begin)


def interpreter(version: str) -> str | None:
    """A Python of this version that really runs: on PATH there may be a shim without one behind it."""
    name = f"python{version}"
    listed = os.environ.get("PYTHONS", "").split(os.pathsep)
    for folder in [*listed, *os.get_exec_path()]:
        path = Path(folder, name) if Path(folder).is_dir() else Path(folder)
        if path.name.startswith("python") and os.access(path, os.X_OK) and _version(path) == version:
            return str(path)
    return None


def environment(row: Row, python: str) -> str:
    """The Python of an environment with the row's versions in it, made unless it is there."""
    recipe = "\n".join([python, row.group, *row.pins, PYPROJECT.read_text()])
    folder = ENVIRONMENTS / sha256("\n".join([python, row.group, *row.pins]).encode()).hexdigest()[:12]
    stamp, constraints, inside = folder / ".installed", folder / "constraints.txt", str(folder / "bin" / "python")
    if stamp.is_file() and stamp.read_text() == recipe:
        return inside
    if not Path(inside).exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    pip(inside, "--upgrade", "pip>=25.1")  # 25.1 knows dependency groups
    constraints.write_text("\n".join(row.pins))
    pip(inside, "--prefer-binary", "-c", str(constraints), "--group", f"{PYPROJECT}:{row.group}", "-e", str(ROOT))
    stamp.write_text(recipe)
    return inside


def pip(python: str, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", *arguments], check=True)


def tests(row: Row, python: str) -> tuple[str, str]:
    """The verdict, and what it rests on."""
    report = ENVIRONMENTS / f"{row.name}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *row.arguments]
    try:
        code = subprocess.run(command, cwd=ROOT, env=_clean(), timeout=LIMIT_S, check=False).returncode
    except subprocess.TimeoutExpired:
        return "FAILED", f"not done after {LIMIT_S} s"
    if not report.is_file():
        return "FAILED", f"pytest ended with {code}"
    return "passed" if code == 0 else "FAILED", ", ".join(counted(report))


def counted(report: Path) -> Iterator[str]:
    """`612 passed`, `3 skipped`: from pytest's report."""
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    total, *others = (int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))
    yield f"{total - sum(others)} passed"
    yield from (f"{count} {name}" for count, name in zip(others, ("failed", "errors", "skipped"), strict=True) if count)


def versions(python: str) -> str:
    """What stands in that environment."""
    code = (
        "import sys, importlib.metadata as m\n"
        "print('Python', '.'.join(map(str, sys.version_info[:3])))\n"
        f"for name in {SHOWN}: print(name, m.version(name))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


def table(outcomes: list[Outcome]) -> str:
    """One line a row, as Markdown, which a release's notes can quote."""
    lines = ["", "| row | verdict | tests | seconds | versions |", "|---|---|---|---|---|"]
    lines += [f"| {one.row} | {one.verdict} | {one.why} | {one.seconds:.0f} | {one.seen} |" for one in outcomes]
    return "\n".join(lines)


def _version(python: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def _clean() -> dict[str, str]:
    """The environment without what would lead a test to another environment's packages."""
    ours = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONHOME"}}
    return {**ours, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
