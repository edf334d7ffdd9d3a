"""Figures of a sweep as plotly's `go.Figure`: `sw.plot.history(sweep_id)`.

`sweep` is an id, a link that `share()` gave, or an `Api().sweep(…)` object. The metric is the sweep's own unless another
one is named, and *best* always means best by the sweep's own. The figures are read from the store once, are at home on
light and on dark pages, need no WebGL, and fetch nothing.
"""

from .coordinates import parallel_coordinates
from .fronts import pareto
from .gantt import timeline
from .learning import curves
from .progression import edf, history
from .responses import contour, slice  # noqa: A004  (the field's name for it, and Optuna's)
from .saving import save
from .shares import importance

__all__ = [
    "contour",
    "curves",
    "edf",
    "history",
    "importance",
    "parallel_coordinates",
    "pareto",
    "save",
    "slice",
    "timeline",
]
