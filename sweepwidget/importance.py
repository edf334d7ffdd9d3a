"""Which parameters matter: how much of a metric's variation over the space each of them explains.

A random forest learns the metric from the runs; functional ANOVA takes it apart. The answer is a function of the runs
alone: asked twice, it is the same.

[H]  Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014,
     http://proceedings.mlr.press/v32/hutter14.html

In the symbols of [H], with a tree that predicts c_i on leaf i, a box Θ^(i) of the space Θ, and volumes of the unit cube (in
which a draw from the parameters' distributions is uniform):

    a_U(θ_U) = Σ_i c_i vol(Θ^(i)_N∖U) 1(θ_U ∈ Θ^(i)_U)     marginal: the mean over all parameters but U
    V_U      = Var a_U - Σ_(W⊂U) V_W                       what the parameters U explain beyond its subsets
    F_U      = V_U / V                                     their share of the variance of the whole

[H] takes F_U of each tree and then the mean. Here a_U is that of the forest, so that what single trees have learnt of the
noise averages out of V_U. V is the geometric mean of the variance of the forest, which is too small (averaging smooths),
and that of its trees, which is too large (noise). On test functions with a known answer the mean error is 5 to 30 % smaller
than that of the mean over trees when the metric has noise, and about the same without.

A parameter with a condition has an effect only where it is active. Its marginal is taken over that part of the space, and
its share weighed with the size of the part. Elsewhere trees are shown random values of it, from which nothing can be learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from .model import Run, RunState
from .parameters import Parameter, Path, Space
from .runs import Runs, summary_value

Floats: TypeAlias = NDArray[np.float64]

TREES = 64
LEAST = 4
"""Fewer runs than this say nothing."""
CELLS = 48
"""An axis with more values than this is cut into so many cells of equal probability."""
SHOWN = 1000
"""A tree is shown no more runs than this, and asked about no more of the others."""
DRAWS = 4096
"""Points at which the variance of the forest is measured."""
FENCE = 3.0
"""Metrics further than this many interquartile ranges outside the quartiles count as if they lay there ("far out": Tukey,
Exploratory Data Analysis, 1977); else one diverged run would be all of the variance."""
TINY = 1e-300
"""Far out in a tail the probability of a value may be 0."""
_FAILED = frozenset({RunState.failed, RunState.crashed, RunState.killed})


@frozen
class Importance:
    """What one parameter means for the metric."""

    share: float
    """Of the metric's variance over the space: what this parameter explains by itself, 0 … 1."""
    std: float
    """How unsure the share is: the standard deviation over trees, each of which knows another resample of the runs."""
    permutation: float
    """A check that shares no formula with it: by how much the squared error of the trees' predictions for runs that they
    have not seen grows when this parameter's values are shuffled, in units of the metric's variance (Breiman, Random
    Forests, 2001, section 10). Interactions count in full for each parameter."""


@frozen
class Importances(Mapping[str, Importance]):
    """The importance of each parameter by its name (`opt.lr` for a nested one), the largest share first."""

    of: Mapping[str, Importance] = field(factory=dict)
    runs: int = 0
    """How many runs it is based on."""
    explained: float = 0.0
    """How much of the metric's variance the forest predicts of runs that it has not seen, at most 1. Near 0 or below it has
    learnt nothing, and the shares mean nothing."""

    def __getitem__(self, name: str) -> Importance:
        return self.of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)


def importance(runs: Iterable[Run], space: Space, metric: str) -> Importances:
    """How important each searchable parameter was for a metric.

    >>> importance(runs, config.space, "loss")      # doctest: +SKIP
    Importances(of={'lr': Importance(share=0.71, std=0.04, permutation=1.3), …}, runs=60, explained=0.83)

    Runs count that have ended, were not failed or killed, have a finite value, and lie inside the space (it may have been
    edited). Their value is that of the summary, or of `Runs` whose goal it is the best. Empty with fewer than four runs.
    """
    data = _Data.of(runs, space, metric)
    if len(data.y) < LEAST or not data.axes:
        return Importances(runs=len(data.y))
    if not data.y.any():
        nothing = Importance(0.0, 0.0, 0.0)
        return Importances(dict.fromkeys(_names(data.axes), nothing), len(data.y), 0.0)
    forest = _Forest.grown(data)
    spoilt = forest.spoilt.mean(axis=0)
    found = [Importance(*forest.share(d), permutation=float(spoilt[d])) for d in range(len(data.axes))]
    named = sorted(zip(_names(data.axes), found, strict=True), key=lambda pair: -pair[1].share)
    return Importances(dict(named), len(data.y), forest.explained)


def interactions(runs: Iterable[Run], space: Space, metric: str, most: int = 6) -> Mapping[tuple[str, str], float]:
    """What pairs of the `most` important parameters explain together, beyond what each explains by itself: shares of the
    metric's variance, the largest first. Which runs count: see `importance`.

    >>> interactions(runs, config.space, "loss")      # doctest: +SKIP
    {('lr', 'batch_size'): 0.12, ('lr', 'momentum'): 0.03}

    Pairs that are never active together are left out.
    """
    data = _Data.of(runs, space, metric)
    if not data.y.any() or not data.axes:
        return {}
    forest, names = _Forest.grown(data), _names(data.axes)
    top = sorted(range(len(data.axes)), key=lambda d: -forest.share(d)[0])[:most]
    shares = {(names[d], names[e]): forest.joint_share(d, e) for d, e in combinations(top, 2)}
    known = [(pair, share) for pair, share in shares.items() if share is not None]
    return dict(sorted(known, key=lambda item: -item[1]))


def _names(axes: Sequence[_Axis]) -> list[str]:
    names = [".".join(axis.path) for axis in axes]  # `opt: lr` and a name with a dot in it would be the same
    return [name if names.count(name) == 1 else "/".join(axis.path) for name, axis in zip(names, axes, strict=True)]


# -- the data -----------------------------------------------------------------------------------------------------

_Region: TypeAlias = Mapping[int, Floats]
"""A part of the space: for some axes the intervals of probability that their values fill, shape (k, 2)."""


@frozen(eq=False)
class _Axis:
    """One parameter as a side of the unit cube, cut into cells: one for each value, or equal ones if there are many."""

    path: Path
    parameter: Parameter
    region: _Region
    """Where it is active."""
    listed: bool
    """Each cell is a value, whose coordinate is the middle of the cell."""
    shares: Floats
    """The interval of probability of each cell, shape (G, 2)."""
    places: Floats = field()
    """Where the cells lie for one tree, shape (G, 2); see `sorted_by`."""

    @places.default
    def _as_they_are(self) -> Floats:
        return self.shares

    @classmethod
    def of(cls, path: Path, parameter: Parameter, region: _Region) -> _Axis:
        values = parameter.choices()
        listed = values is not None and len(values) <= CELLS
        ends = [parameter.cdf(value) for value in values or ()] if listed else np.linspace(0, 1, CELLS + 1)[1:]
        return cls(path, parameter, region, listed, np.column_stack([[0.0, *ends[:-1]], ends]))

    @property
    def sizes(self) -> Floats:
        """The probability of each cell."""
        return self.shares[:, 1] - self.shares[:, 0]

    def sorted_by(self, column: Floats, y: Floats) -> _Axis:
        """With choices that have no order ordered by their mean of y. Then some split of that order is the best of all
        splits into two sets of choices (Breiman, Friedman, Olshen & Stone, Classification and Regression Trees, 1984, section
        9.4), where trees that know them one by one, or in the order in which they are listed, need many splits.
        """
        if self.parameter.ordinal or not self.listed:
            return self
        cells, sizes = self._cell(column), self.sizes
        count = np.bincount(cells, minlength=len(sizes))
        order = np.argsort(np.bincount(cells, y, minlength=len(sizes)) / np.maximum(count, 1), kind="stable")
        places, ends = np.empty_like(self.shares), np.cumsum(sizes[order])
        places[order] = np.column_stack([ends - sizes[order], ends])
        return evolve(self, places=places)

    def placed(self, column: Floats) -> Floats:
        """Coordinates as the tree sees them."""
        return column if self.places is self.shares else self.places.mean(axis=1)[self._cell(column)]

    def intervals(self, shares: Floats) -> Floats:
        """Where intervals of probability lie for the tree; those of values are whole cells."""
        return shares if self.places is self.shares else self.places[self._cell(shares.mean(axis=1))]

    def below(self, coordinates: Floats) -> Floats:
        """The probability of what the tree sees below a coordinate."""
        if not self.listed:
            return coordinates
        starts, ends = np.sort(self.places[:, 0]), np.sort(self.places[:, 1])
        return np.append(0.0, ends)[np.searchsorted((starts + ends) / 2, coordinates, side="right")]

    def drawn(self, quantiles: Floats) -> Floats:
        """The coordinates of the values at quantiles."""
        return self.shares.mean(axis=1)[self._cell(quantiles)] if self.listed else quantiles

    def _cell(self, column: Floats) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self.shares[:, 1], column), len(self.shares) - 1)


@frozen(eq=False)
class _Data:
    """What the runs say: coordinates X, shape (n, D), NaN where a parameter is not active, and the metric y, shape (n,),
    with mean 0 and variance 1; all 0 if it is always the same.
    """

    axes: Sequence[_Axis]
    X: Floats
    y: Floats

    @classmethod
    def of(cls, runs: Iterable[Run], space: Space, metric: str) -> _Data:
        number = {path: d for d, path in enumerate(space.searchable)}
        regions = (
            {
                number[parent]: _intervals(space.parameters[parent], allowed.values())
                for parent, allowed in needs.items()
            }
            for needs in (space.requirements.get(path, {}) for path in space.searchable)
        )
        pairs = zip(space.searchable, regions, strict=True)
        axes = [_Axis.of(path, space.parameters[path], region) for path, region in pairs]
        rows = [
            (point, value)
            for run in sorted(runs, key=lambda run: run.number)
            if run.ended and run.state not in _FAILED
            if (value := _value(runs, run, metric)) is not None
            if (point := _point(space, axes, run)) is not None
        ]
        X = np.array([point for point, _ in rows]).reshape(len(rows), len(axes))
        return cls(axes, X, _standardised(np.array([value for _, value in rows])))


def _value(runs: Iterable[Run], run: Run, metric: str) -> float | None:
    if isinstance(runs, Runs) and runs.goal is not None and runs.goal.metric == metric:
        return runs.best_cost(run.id)  # the sign makes no difference
    return summary_value(run.summary, metric)


def _point(space: Space, axes: Sequence[_Axis], run: Run) -> list[float] | None:
    flat = space.flatten(run.config)
    inside = all(
        axis.parameter.contains(flat[axis.path]) if axis.path in flat else not space.is_active(axis.path, flat)
        for axis in axes
    )
    if not inside:
        return None
    return [axis.parameter.unit(flat[axis.path]) if axis.path in flat else np.nan for axis in axes]


def _intervals(parameter: Parameter, values: Iterable[Any]) -> Floats:
    """The probabilities that values fill: a coordinate is the middle of its share, which ends at the cdf."""
    ends = [(parameter.unit(value), parameter.cdf(value)) for value in values]
    return np.array([(2 * middle - end, end) for middle, end in ends]).reshape(-1, 2)


def _standardised(y: Floats) -> Floats:
    if len(y) < LEAST:
        return np.zeros(len(y))
    y = y / 16  # so that fences around the largest floats are floats
    low, high = np.quantile(y, [0.25, 0.75])
    if high > low:
        fence = FENCE * (high - low)
        y = np.clip(y, low - fence, high + fence)
    y = y / (np.abs(y).max() or 1.0)
    spread = y.std()
    return (y - y.mean()) / spread if spread > 1e-13 else np.zeros(len(y))


# -- the forest ---------------------------------------------------------------------------------------------------


@frozen(eq=False)
class _Tree:
    """The leaves of a tree: predictions c less their mean over the space, shape (L,), and boxes in probability, (L, D)."""

    axes: Sequence[_Axis]
    c: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, tree: Any, axes: Sequence[_Axis]) -> _Tree:
        """From scikit-learn's arrays; the boxes of all nodes of a depth at once."""
        low, high = np.zeros((tree.node_count, len(axes))), np.ones((tree.node_count, len(axes)))
        nodes = np.zeros(1, dtype=np.intp)
        while len(nodes := nodes[tree.children_left[nodes] >= 0]):
            left, right, split = tree.children_left[nodes], tree.children_right[nodes], tree.feature[nodes]
            for child in (left, right):
                low[child], high[child] = low[nodes], high[nodes]
            high[left, split] = low[right, split] = tree.threshold[nodes]
            nodes = np.concatenate([left, right])
        leaf = tree.children_left < 0
        low, high = (
            np.column_stack([axis.below(u) for axis, u in zip(axes, ends[leaf].T, strict=True)]) for ends in (low, high)
        )
        c = tree.value[leaf, 0, 0]
        return cls(axes, c - c @ (high - low).prod(axis=1), low, high)

    @property
    def variance(self) -> float:
        return float(self.c**2 @ (self.high - self.low).prod(axis=1))

    def marginal(self, over: Sequence[int], region: _Region) -> Floats:
        """a_U: the mean prediction per cell of one axis or of two, within a region of the others."""
        from .search.linalg import product

        sides = self.high - self.low
        for d, shares in region.items():
            sides[:, d] = self._within(d, shares).sum(axis=1) / max(np.diff(shares).sum(), TINY)
        covers = [self._within(d, self.axes[d].shares) / np.maximum(self.axes[d].sizes, TINY) for d in over]
        sides[:, over] = 1.0
        weights = self.c * sides.prod(axis=1)
        return product(weights[None], covers[0])[0] if len(over) == 1 else product(covers[0].T * weights, covers[1])

    def _within(self, d: int, shares: Floats) -> Floats:
        """How much of each interval of probability each leaf covers, shape (L, k)."""
        start, end = self.axes[d].intervals(shares).T
        covered: Floats = np.minimum(self.high[:, d, None], end) - np.maximum(self.low[:, d, None], start)
        return np.maximum(covered, 0.0, out=covered)


@frozen(eq=False)
class _Forest:
    axes: Sequence[_Axis]
    trees: Sequence[_Tree]
    variance: float
    """V above."""
    explained: float
    spoilt: Floats
    """How much each tree's error grows when a parameter is shuffled, shape (trees, D)."""

    @classmethod
    def grown(cls, data: _Data) -> _Forest:
        from sklearn.tree import DecisionTreeRegressor  # scikit-learn takes a second to import

        n, D = data.X.shape
        draws = _drawn(data.axes, np.random.default_rng(0).random((DRAWS, D)))
        trees, spoilt = [], []
        predicted, unseen, seen_by = np.zeros(DRAWS), np.zeros(n), np.zeros(n)
        for k in range(TREES):
            rng = np.random.default_rng([1, k])
            rows = rng.integers(n, size=min(n, SHOWN))
            others = rng.permutation(np.setdiff1d(np.arange(n), rows))[:SHOWN]
            X = np.where(np.isnan(data.X), _drawn(data.axes, rng.random((n, D))), data.X)
            axes = [axis.sorted_by(column, data.y[rows]) for axis, column in zip(data.axes, X[rows].T, strict=True)]
            X = _placed(axes, X)
            tree = DecisionTreeRegressor(random_state=k).fit(X[rows], data.y[rows])
            trees.append(_Tree.of(tree.tree_, axes))
            predicted += _predict(tree, _placed(axes, draws)) / TREES
            if len(others):
                unseen[others] += _predict(tree, X[others])
                seen_by[others] += 1
                spoilt.append(_spoilt(tree, X[others], data.y[others], ~np.isnan(data.X[others]), rng))
        known = seen_by > 0
        error = np.mean((unseen[known] / seen_by[known] - data.y[known]) ** 2)
        variance = float(np.sqrt(predicted.var() * np.mean([tree.variance for tree in trees])))
        return cls(data.axes, trees, variance, float(1.0 - error), np.array(spoilt).reshape(-1, D))

    def share(self, d: int) -> tuple[float, float]:
        """F_U of one parameter, and its standard deviation over the trees."""
        axis = self.axes[d]
        part = _probability(axis.region)
        marginals = np.stack([tree.marginal([d], axis.region) for tree in self.trees])
        variances = np.array([tree.variance for tree in self.trees])
        single = part * np.divide(_variance(marginals, axis.sizes), variances, where=variances > 0, out=np.zeros(TREES))
        return self._of_all(part * float(_variance(marginals.mean(axis=0), axis.sizes))), float(single.std())

    def joint_share(self, d: int, e: int) -> float | None:
        """F_U of two parameters, where both are active; None if they never are."""
        region = _common(self.axes[d].region, self.axes[e].region)
        part = _probability(region)
        if part == 0.0:
            return None
        joint = np.mean([tree.marginal([d, e], region) for tree in self.trees], axis=0)
        cells = self.axes[d].sizes, self.axes[e].sizes
        single = _variance(joint @ cells[1], cells[0]) + _variance(cells[0] @ joint, cells[1])
        both = _variance(joint.ravel(), np.outer(*cells).ravel())
        return self._of_all(part * float(both - single))

    def _of_all(self, variance: float) -> float:
        return min(max(variance / self.variance, 0.0), 1.0) if self.variance > 0 else 0.0


def _drawn(axes: Sequence[_Axis], quantiles: Floats) -> Floats:
    return np.column_stack([axis.drawn(q) for axis, q in zip(axes, quantiles.T, strict=True)])


def _placed(axes: Sequence[_Axis], X: Floats) -> Floats:
    return np.column_stack([axis.placed(column) for axis, column in zip(axes, X.T, strict=True)])


def _variance(marginal: Floats, cells: Floats) -> Floats:
    """Over cells of these probabilities, the last axis."""
    mean = marginal @ cells
    variance: Floats = (marginal - mean[..., None]) ** 2 @ cells
    return variance


def _predict(tree: Any, X: Floats) -> Floats:
    """Without scikit-learn's checks of X, which take longer than the prediction."""
    predicted: Floats = tree.tree_.predict(X.astype(np.float32))[:, 0]
    return predicted


def _spoilt(tree: Any, X: Floats, y: Floats, active: NDArray[np.bool_], rng: np.random.Generator) -> list[float]:
    """How much the squared error grows when each column is shuffled where it is active."""
    error = np.mean((_predict(tree, X) - y) ** 2)
    grown = []
    for d in range(X.shape[1]):
        shuffled, rows = X.copy(), np.flatnonzero(active[:, d])
        shuffled[rows, d] = X[rng.permutation(rows), d]
        grown.append(float(np.mean((_predict(tree, shuffled) - y) ** 2) - error))
    return grown


# -- parts of the space -------------------------------------------------------------------------------------------


def _probability(region: _Region) -> float:
    return float(np.prod([np.diff(intervals).sum() for intervals in region.values()]))


def _common(one: _Region, other: _Region) -> _Region:
    both = {d: np.array([row for row in one[d] if row in other[d]]).reshape(-1, 2) for d in one.keys() & other.keys()}
    return {**one, **other, **both}
