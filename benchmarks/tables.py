"""Problems that are tables of real trainings: scikit-learn models on its own data sets, every configuration cross-validated.

A table is made when it is first asked for (one to a few minutes) and kept in `tables/` beside this file.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .problems import Problem

FOLDER = Path(__file__).parent / "tables"


def svc_digits(C, gamma, kernel):
    X, y = load_digits(return_X_y=True)
    return 1 - cross_val_score(SVC(C=C, gamma=gamma, kernel=kernel, degree=3), X[:600] / 16, y[:600], cv=3).mean()


def gbr_diabetes(learning_rate, max_depth, n_estimators, subsample, min_samples_leaf):
    model = GradientBoostingRegressor(
        learning_rate=learning_rate,
        max_depth=max_depth,
        n_estimators=n_estimators,
        subsample=subsample,
        min_samples_leaf=min_samples_leaf,
        random_state=0,
    )
    return 1 - cross_val_score(model, *load_diabetes(return_X_y=True), cv=3, scoring="r2").mean()


def mlp_cancer(width, activation, rate, alpha, batch):
    model = MLPClassifier(
        (width,),
        activation=activation,
        learning_rate_init=rate,
        alpha=alpha,
        batch_size=batch,
        max_iter=12,
        random_state=0,
    )
    X, y = load_breast_cancer(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twelve epochs are not convergence
        return -cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3, scoring="neg_log_loss").mean()


def ridge_diabetes(alpha, gamma, kernel, degree):
    model = KernelRidge(alpha=alpha, gamma=gamma, kernel=kernel, degree=degree)
    X, y = load_diabetes(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some kernels are nearly singular
        return -cross_val_score(model, 20 * X, (y - y.mean()) / y.std(), cv=3, scoring="neg_mean_absolute_error").mean()


def forest_wine(n_estimators, max_depth, max_features, min_samples_leaf, criterion):
    model = RandomForestClassifier(
        n_estimators,
        max_depth=max_depth,
        max_features=max_features,
        min_samples_leaf=min_samples_leaf,
        criterion=criterion,
        random_state=0,
    )
    return -cross_val_score(model, *load_wine(return_X_y=True), cv=3, scoring="neg_log_loss").mean()


def powers(low, high, n):
    return [float(f"{value:.4g}") for value in np.logspace(low, high, n)]


TABLES = {
    "svc_digits": (
        svc_digits,
        {"C": powers(-2, 3, 11), "gamma": powers(-4, 1, 11), "kernel": ["rbf", "poly", "sigmoid"]},
    ),
    "gbr_diabetes": (
        gbr_diabetes,
        {
            "learning_rate": powers(-2.5, 0, 8),
            "max_depth": [1, 2, 3, 4, 6],
            "n_estimators": [20, 50, 100, 200],
            "subsample": [0.4, 0.7, 1.0],
            "min_samples_leaf": [1, 5, 20],
        },
    ),
    "mlp_cancer": (
        mlp_cancer,
        {
            "width": [2, 4, 8, 16, 32, 64],
            "activation": ["relu", "tanh", "logistic"],
            "rate": powers(-4, -0.5, 8),
            "alpha": powers(-5, 1, 4),
            "batch": [16, 64, 200],
        },
    ),
    "ridge_diabetes": (
        ridge_diabetes,
        {
            "alpha": powers(-4, 3, 8),
            "gamma": powers(-5, 1, 7),
            "kernel": ["rbf", "laplacian", "poly", "sigmoid"],
            "degree": [1, 2, 3],
        },
    ),
    "forest_wine": (
        forest_wine,
        {
            "n_estimators": [5, 10, 20, 40, 80],
            "max_depth": [1, 2, 4, 8],
            "max_features": [1, 2, 4, 8, 13],
            "min_samples_leaf": [1, 2, 5, 15],
            "criterion": ["gini", "entropy"],
        },
    ),
}
"""Name → (train and validate, the values of each parameter)."""


@cache
def table(name):
    """The problem of that name: its cost is a look-up."""
    train, parameters = TABLES[name]
    path = FOLDER / f"{name}.json"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        path.write_text(json.dumps([float(train(*values)) for values in product(*parameters.values())]))
    costs = np.array(json.loads(path.read_text())).reshape([len(values) for values in parameters.values()])
    index = {parameter: {value: i for i, value in enumerate(values)} for parameter, values in parameters.items()}

    def cost(given):
        return float(costs[tuple(index[parameter][given[parameter]] for parameter in parameters)])

    return Problem(
        {parameter: {"values": values} for parameter, values in parameters.items()}, cost, float(costs.min())
    )
