"""The benchmarks by name and theme: what each measures and where its `main()` stands."""

from __future__ import annotations

from attrs import frozen


@frozen
class Benchmark:
    module: str
    title: str
    theme: str
    is_slow: bool = False
    """Takes longer than a few minutes: runs only when it is named."""


THEMES = {
    "trials": "Trials and logging",
    "agents": "Kernel agents, the hub, PostgreSQL",
    "dashboard": "The dashboard",
    "search": "Search and stopping",
    "faults": "Faults and load",
}
"""Each has a picture of its own where its rows have peers: `results-trials.svg` and so on."""

BENCHMARKS = {
    "import": Benchmark("import_time", "`import sweepwidget`", "trials"),
    "trials": Benchmark("trials", "Trials of a trivial function", "trials"),
    "next": Benchmark("next_run", "From the end of a run to the next", "trials"),
    "log": Benchmark("log_calls", "Durable `log()` calls", "trials"),
    "many": Benchmark("many_runs", "Ten thousand runs in one sweep", "trials"),
    "store": Benchmark("store_micro", "The store, taken apart", "trials"),
    "kernels": Benchmark("kernels", "Kernel agents", "agents"),
    "hub": Benchmark("hub", "Agents behind one hub", "agents"),
    "postgres": Benchmark("postgres", "Many agents on one PostgreSQL server", "agents"),
    "kills": Benchmark("kills", "Killed, frozen, cut off", "faults"),
    "load": Benchmark("load", "What a sweep, a store and a hub hold", "faults"),
    "dashboard": Benchmark("dashboard", "In JupyterLab and Chromium", "dashboard"),
    "feed": Benchmark("feed", "The kernel's side", "dashboard"),
    "suggest": Benchmark("suggest_latency", "One suggestion of `bayes`", "search"),
    "steps": Benchmark("steps", "One step of the controller, `bayes`", "search", is_slow=True),
    "search": Benchmark("search_quality", "How good the Bayesian search is", "search", is_slow=True),
    "stopping": Benchmark("stopping_quality", "What early stopping saves, and what it loses", "search", is_slow=True),
}
