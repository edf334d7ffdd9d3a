"""`make bench`: every benchmark beside its peers, one table. `python -m benchmarks trials log` runs some of them."""

from __future__ import annotations

import sys

from . import dashboard, feed, hub, import_time, kernels, log_calls, many_runs, next_run, postgres, steps, trials

BENCHMARKS = {
    "import": import_time.main,
    "trials": trials.main,
    "next": next_run.main,
    "log": log_calls.main,
    "many": many_runs.main,
    "steps": steps.main,
    "hub": hub.main,
    "kernels": kernels.main,
    "postgres": postgres.main,
    "feed": feed.main,
    "dashboard": dashboard.main,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        print(f"\n## {name}\n", flush=True)
        BENCHMARKS[name]()
