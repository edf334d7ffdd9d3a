"""What a search says of its suggestions: the keys of `Suggestion.info`, which is stored with each run (`run.search_info`)."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "why": 'In words: "grid cell 17 of 48", "random draw 3 of seed 42", "initial design 2 of 6", "expected improvement".',
    "mean": "What the model expects of the run's metric, in the metric's own unit; with several metrics a dict by name.",
    "std": "The standard deviation of that.",
    "acquisition": "How promising it is: the log of the expected improvement, in standard deviations of the costs seen.",
    "nearest_run": "The number of the ended run that is most like it, as the search sees it.",
    "weights": "With several metrics: how much each counts in this suggestion, as numbers that add up to 1.",
    "restart": "The number of the independent restart of a stalled search that asked for it.",
    "took_s": "How long the search took to decide, model and all, in seconds.",
}
"""Every key that our own searches use: "why" is always there, the others where they mean something. A search of the user's
own may add what it likes, as long as it is plain JSON.
"""
