"""PROMISES.md promises nothing that no test proves."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "PROMISES.md").read_text("utf-8")
PROMISES = TEXT.partition("\n## Not promised")[0]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TEXT)))


@functools.cache
def names_in(path):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_exists(named):
    """Under that very name, where pytest collects it."""
    path, _, name = named.partition("::")
    assert Path(path).name.startswith("test_")
    assert name in names_in(path)


def test_every_promise_names_its_test():
    """Each row of a table and each point of a list; what cannot be tested says so."""
    rows = [
        line for line in PROMISES.splitlines() if line.startswith("|") and "proven by" not in line and "---" not in line
    ]
    points = re.findall(r"^\* .*(?:\n  .*)*", PROMISES, re.MULTILINE)
    bare = [text for text in rows + points if "::test_" not in text and "Not tested" not in text]
    assert [] == bare
    assert (len(rows) > 30, len(points) > 8) == (True, True)


def test_the_readme_leads_there():
    """Users find the page."""
    assert "](PROMISES.md)" in (ROOT / "README.md").read_text("utf-8")
