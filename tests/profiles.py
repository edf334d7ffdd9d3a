"""How far property tests and fuzzers look. `make test` takes the few examples of a test's own; with
`SWEEPWIDGET_TEST_PROFILE=long` each looks at fifty times as many, with no limit of time (`pytest --timeout=0`).
"""

from __future__ import annotations

import os

LONG = os.environ.get("SWEEPWIDGET_TEST_PROFILE") == "long"


def examples(few: int) -> int:
    """How many examples a test looks at whose suite's share is `few`."""
    return few * 50 if LONG else few
