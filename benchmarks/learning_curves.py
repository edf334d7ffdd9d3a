"""Real learning curves: small scikit-learn models on its own data sets, each configuration trained step by step.

A task's curves are made when they are first asked for (about a minute each) and kept in a folder of the system's temporary
files.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from attrs import frozen
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

CONFIGS, STEPS = 150, 60
FOLDER = Path(tempfile.gettempdir()) / "sweepwidget-learning-curves"


@frozen(eq=False)
class Curves:
    costs: np.ndarray
    """Shape (configurations, steps); smaller is better; diverged steps are inf."""
    seconds: np.ndarray
    """Of one step of each configuration. Shape (configurations,)."""


def _data(load, validation, seed=0):
    X, y = load(return_X_y=True)
    pieces = train_test_split(X, y, test_size=validation, random_state=seed)
    scale = StandardScaler().fit(pieces[0])
    return scale.transform(pieces[0]), scale.transform(pieces[1]), pieces[2], pieces[3]


def _log(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _epochs(model, X, y, score) -> Iterator[float]:
    """The validation cost after each pass over the data."""
    rng = np.random.default_rng(0)
    classes = {"classes": np.unique(y)} if hasattr(model, "predict_proba") else {}
    for _ in range(STEPS):
        order = rng.permutation(len(X))
        model.partial_fit(X[order], y[order], **classes)
        yield score(model)


def mlp_digits(rng) -> Iterator[float]:
    X, Xv, y, yv = _data(load_digits, 600)
    model = MLPClassifier(
        hidden_layer_sizes=(int(_log(rng, 4, 128)),),
        activation=str(rng.choice(["relu", "tanh", "logistic"])),
        learning_rate_init=_log(rng, 1e-4, 0.3),
        alpha=_log(rng, 1e-6, 1.0),
        batch_size=int(_log(rng, 16, 400)),
        random_state=0,
    )
    yield from _epochs(model, X, y, lambda it: log_loss(yv, it.predict_proba(Xv)))


def sgd_cancer(rng) -> Iterator[float]:
    """A quarter of the data to train on, 100 rows to judge: rough curves."""
    X, Xv, y, yv = _data(load_breast_cancer, 100)
    model = SGDClassifier(
        "log_loss",
        penalty=str(rng.choice(["l2", "l1"])),
        alpha=_log(rng, 1e-6, 0.1),
        learning_rate=str(rng.choice(["constant", "invscaling"])),
        eta0=_log(rng, 1e-4, 1.0),
        power_t=float(rng.uniform(0.1, 0.6)),
        random_state=0,
    )
    yield from _epochs(model, X[:120], y[:120], lambda it: log_loss(yv, it.predict_proba(Xv)))


def boosting_diabetes(rng) -> Iterator[float]:
    """Slow learners win in the end: the curves cross."""
    X, Xv, y, yv = _data(load_diabetes, 150)
    model = GradientBoostingRegressor(
        learning_rate=_log(rng, 0.005, 1.0),
        max_depth=int(rng.integers(1, 6)),
        subsample=float(rng.uniform(0.3, 1.0)),
        min_samples_leaf=int(_log(rng, 1, 30)),
        n_estimators=3 * STEPS,
        random_state=0,
    ).fit(X, y)
    for stage, predicted in enumerate(model.staged_predict(Xv), 1):
        if stage % 3 == 0:
            yield mean_squared_error(yv, predicted)


def mlp_diabetes(rng) -> Iterator[float]:
    X, Xv, y, yv = _data(load_diabetes, 150)
    y, yv = (y - 150) / 75, (yv - 150) / 75
    model = MLPRegressor(
        hidden_layer_sizes=(int(_log(rng, 2, 64)), int(_log(rng, 2, 64))),
        solver=str(rng.choice(["sgd", "adam"])),
        learning_rate_init=_log(rng, 1e-4, 0.3),
        alpha=_log(rng, 1e-5, 10.0),
        batch_size=int(_log(rng, 8, 200)),
        momentum=float(rng.uniform(0.0, 0.95)),
        random_state=0,
    )
    yield from _epochs(model, X, y, lambda it: mean_squared_error(yv, it.predict(Xv)))


TASKS: dict[str, Callable[[np.random.Generator], Iterator[float]]] = {
    "mlp_digits": mlp_digits,
    "sgd_cancer": sgd_cancer,
    "boosting_diabetes": boosting_diabetes,
    "mlp_diabetes": mlp_diabetes,
}
"""Name → the costs of a random configuration, step by step."""


def curves(name: str) -> Curves:
    """The curves of a task."""
    path = FOLDER / f"{name}-{CONFIGS}x{STEPS}.npz"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        trained = [_train(name, number) for number in range(CONFIGS)]
        costs, seconds = zip(*trained, strict=True)
        np.savez(path, costs=np.array(costs), seconds=np.array(seconds))
    kept = np.load(path)
    return Curves(kept["costs"], kept["seconds"])


def _train(name: str, number: int) -> tuple[np.ndarray, float]:
    costs = np.full(STEPS, np.inf)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow in a run that diverges is what happens to people too
        try:
            for step, cost in enumerate(TASKS[name](np.random.default_rng([number, 7]))):
                costs[step] = cost if np.isfinite(cost) else np.inf
        except ValueError as error:  # scikit-learn gives up on weights that are no longer finite
            if "finite" not in str(error) and "infinity" not in str(error):
                raise
    return costs, (time.perf_counter() - start) / STEPS
