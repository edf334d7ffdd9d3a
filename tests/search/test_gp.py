"""The Gaussian process agrees with the textbook: dense linear algebra, finite differences, and its own limits."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st
from scipy.stats import multivariate_t

from sweepwidget.search import gp, linalg
from sweepwidget.search.acquisition import log_expected_improvement, log_h
from sweepwidget.search.gp import Inputs, Theta
from sweepwidget.search.objective import Scale


def _data(n, D=3, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.random((n, D))
    y = np.sin(6 * points[:, 0]) + points[:, 1] ** 2 + noise * rng.standard_normal(n)
    return Inputs(points, np.arange(D)), (y - y.mean()) / y.std()


def _some_theta(D=3):
    return Theta(np.linspace(0.3, 1.2, D), 0.02)


def _naive_covariance(A, B, theta):
    r = np.sqrt((((A[:, None] - B[None]) / theta.lengthscales) ** 2).sum(-1))
    t = np.sqrt(5) * r
    return 1 + (1 + t + t**2 / 3) * np.exp(-t)


def test_kernel_is_the_formula_of_the_book():
    """The Matérn-5/2 value and slope at a few distances are equation 4.17 and its derivative."""
    r = np.array([0.0, 0.1, 1.0, 5.0])
    k, g = gp.matern(r**2)
    t = np.sqrt(5) * r
    assert np.allclose((1 + t + t**2 / 3) * np.exp(-t), k)
    h = 1e-6
    assert np.allclose(-2 * (gp.matern(r**2 + h)[0] - k) / h, g, atol=1e-5)


def test_evidence_is_a_student_t_density():
    """Up to its constant the log evidence is scipy's multivariate t, so that its differences agree."""
    X, y = _data(8)

    def reference(theta):
        C = _naive_covariance(X.columns, X.columns, theta) + theta.noise * np.eye(8)
        scale = gp.AMPLITUDE_B / gp.AMPLITUDE_A * C
        return multivariate_t(np.zeros(8), scale, df=2 * gp.AMPLITUDE_A).logpdf(y)

    one, two = _some_theta(), Theta(np.array([1.0, 0.2, 3.0]), 0.3)
    expected = reference(one) - reference(two)
    assert np.isclose(expected, gp.log_evidence(one, X, y)[0] - gp.log_evidence(two, X, y)[0])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.lists(st.floats(-2, 1.5), min_size=4, max_size=4), st.booleans())
def test_gradients_agree_with_finite_differences(n, logs, one_hot):
    """Evidence and prior have the gradients they claim, with one-hot columns sharing a lengthscale, too."""
    X, y = _data(n, noise=0.1)
    if one_hot:
        level = np.random.default_rng(n).integers(3, size=n)
        columns = np.hstack([X.columns[:, :2], (level[:, None] == np.arange(3)) * np.sqrt(0.5)])
        X = Inputs(columns, np.array([0, 1, 2, 2, 2]))
    logs = np.array(logs) - np.array([0, 0, 0, 2.0])
    for function in (lambda theta: gp.log_evidence(theta, X, y), gp.log_prior):
        gradient = function(Theta.of_logs(logs))[1]
        h = 1e-5
        numeric = [
            (function(Theta.of_logs(logs + h * e))[0] - function(Theta.of_logs(logs - h * e))[0]) / (2 * h)
            for e in np.eye(4)
        ]
        assert np.allclose(numeric, gradient, rtol=1e-4, atol=1e-4)


def test_one_hot_columns_give_the_hamming_distance():
    """Two different choices are at squared distance 1, equal ones at 0."""
    one_hot = np.eye(3) * np.sqrt(0.5)
    assert np.allclose(1 - np.eye(3), gp.squared_distances(one_hot, one_hot))


def test_posterior_is_the_conditional_normal():
    """Mean and variance are equations 2.25 and 2.26, with the posterior mean of the amplitude."""
    X, y = _data(12)
    theta = _some_theta()
    posterior = gp.condition(X, y, theta)
    points = np.random.default_rng(1).random((5, 3))
    C = _naive_covariance(X.columns, X.columns, theta) + theta.noise * np.eye(12)
    k = _naive_covariance(points, X.columns, theta)
    amplitude = (gp.AMPLITUDE_B + y @ np.linalg.solve(C, y) / 2) / (gp.AMPLITUDE_A + 6)
    variance = amplitude * (2 - np.einsum("ij,ji->i", k, np.linalg.solve(C, k.T)))
    mean, std = posterior.predict(points / theta.lengthscales)
    assert np.allclose(k @ np.linalg.solve(C, y), mean)
    assert np.allclose(np.sqrt(variance), std)
    assert np.allclose(mean, posterior.predict_mean(points / theta.lengthscales))


def test_posterior_gradients_agree_with_finite_differences():
    """The gradients of mean and standard deviation are those of `predict`."""
    X, y = _data(15)
    posterior = gp.condition(X, y, _some_theta())
    points = np.random.default_rng(2).random((4, 3)) / posterior.scale
    mean, std, d_mean, d_std = posterior.predict_with_gradient(points)
    assert np.allclose(posterior.predict(points), (mean, std))
    h = 1e-6
    for d, e in enumerate(np.eye(3)):
        above, below = posterior.predict(points + h * e), posterior.predict(points - h * e)
        assert np.allclose((above[0] - below[0]) / (2 * h), d_mean[:, d], atol=1e-6)
        assert np.allclose((above[1] - below[1]) / (2 * h), d_std[:, d], atol=1e-6)


def test_believing_leaves_means_and_removes_doubt():
    """A believed point changes no mean; doubt about it shrinks to nearly nothing, and grows nowhere."""
    X, y = _data(10)
    before = gp.condition(X, y, Theta(np.full(3, 0.5), 1e-4))
    points = np.random.default_rng(3).random((30, 3)) / before.scale
    after = before.believe(points[:4])
    assert np.allclose(before.predict(points)[0], after.predict(points)[0], atol=1e-4)
    assert (after.predict(points)[1] <= before.predict(points)[1] + 1e-9).all()
    assert (after.predict(points[:4])[1] < 0.01 * before.predict(points[:4])[1]).all()


def test_believing_is_conditioning_on_the_mean():
    """Extending the inverse factor gives what conditioning anew gives."""
    X, y = _data(10)
    before = gp.condition(X, y, evolve(_some_theta(), noise=gp.NOISE_BOUNDS[0]))
    more = np.random.default_rng(3).random((4, 3))
    both = Inputs(np.vstack([X.columns, more]), X.groups)
    anew = gp.condition(both, np.append(y, before.predict_mean(more / before.scale)), before.theta)
    after = before.believe(more / before.scale)
    assert np.allclose(anew.R, after.R)
    assert np.allclose(anew.alpha, after.alpha)
    assert before.amplitude == after.amplitude


def test_other_outcomes_at_the_same_points():
    """The same as conditioning on them anew, whatever had been believed of further points since."""
    X, y = _data(20)
    theta, other = _some_theta(), np.cos(y)
    posterior = gp.condition(X, y, theta)
    Z = _data(5, seed=1)[0].columns / posterior.scale
    anew = gp.condition(X, other, theta)
    for given_them in (posterior.given(other), posterior.believe(Z).given(other)):
        for one, two in zip(given_them.predict(Z), anew.predict(Z), strict=True):
            assert np.allclose(one, two)


def test_fit_finds_what_matters_and_how_noisy_it_is():
    """An irrelevant parameter gets a long lengthscale; the noise ratio is found to within a factor of three."""
    X, y = _data(150, noise=0.1)
    theta = gp.fit(X, y)
    posterior = gp.condition(X, y, theta)
    assert theta.lengthscales[2] > 2 * theta.lengthscales[0]
    noise_std = np.sqrt(posterior.amplitude * theta.noise)
    expected = 0.1 / np.std(np.sin(6 * X.columns[:, 0]) + X.columns[:, 1] ** 2)
    assert 1 / 3 < noise_std / expected < 3


@pytest.mark.parametrize("y", [np.zeros(6), np.array([0.0, 0, 0, 0, 0, 1]), np.full(6, 1e-12)])
def test_fit_stands_degenerate_costs(y):
    """Equal costs and duplicated points give finite hyper-parameters within their bounds."""
    X = Inputs(np.repeat(np.random.default_rng(0).random((2, 3)), 3, axis=0), np.arange(3))
    theta = gp.fit(X, y)
    assert (theta.lengthscales >= gp.LENGTHSCALE_BOUNDS[0] * 0.999).all()
    assert (theta.lengthscales <= gp.LENGTHSCALE_BOUNDS[1] * 1.001).all()
    mean, std = gp.condition(X, y, theta).predict(X.columns / theta.lengthscales)
    assert np.isfinite(mean).all()
    assert (std > 0).all()


def test_fit_is_a_function_of_the_data():
    """The same data give the same hyper-parameters, to the last bit."""
    X, y = _data(90, noise=0.05)
    assert gp.fit(X, y).logs.tolist() == gp.fit(X, y).logs.tolist()


# -- linear algebra in pieces ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 96, 97, 210, 400])
def test_linear_algebra_in_pieces_is_linear_algebra(n):
    """Products, inverse factors and Gram matrices agree with numpy's at every size of piece."""
    rng = np.random.default_rng(n)
    A, B = rng.random((n, 30)), rng.random((30, 500))
    assert np.allclose(A @ B, linalg.product(A, B))
    C = A @ A.T + np.eye(n)
    R = linalg.whiten(C.copy())
    assert np.allclose(np.tril(R), R)
    assert np.allclose(np.eye(n), R @ C @ R.T)
    assert np.allclose(np.linalg.inv(C), linalg.gram(R))
    K = rng.random((50, n))
    assert np.allclose(K @ R.T, linalg.whitened(K, R))


@pytest.mark.parametrize(("n", "m"), [(5, 1), (96, 30), (200, 120)])
def test_a_factor_grows_by_blocks(n, m):
    """Growing by m rows gives the factor of the whole."""
    A = np.random.default_rng(n).random((n + m, 20))
    C = A @ A.T + np.eye(n + m)
    grown = linalg.grow(linalg.whiten(C[:n, :n]), C[n:, :n], C[n:, n:])
    assert np.allclose(linalg.whiten(C), grown)


# -- expected improvement -------------------------------------------------------------------------------------------


def test_log_h_where_it_can_be_computed_directly():
    """For moderate z it is log(φ + zΦ)."""
    z = np.linspace(-6, 6, 49)
    phi = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    from scipy.stats import norm

    assert np.allclose(np.log(phi + z * norm.cdf(z)), log_h(z), atol=1e-6)


def test_log_h_far_in_the_tail():
    """For very negative z it follows -z²/2 - log √2π - 2 log|z| + log(1 - 3/z² …), without a seam between the cases."""
    z = -np.logspace(1.5, 7, 200)
    series = -0.5 * z * z - 0.5 * np.log(2 * np.pi) - 2 * np.log(-z) + np.log1p(-3 / z**2 + 15 / z**4)
    assert np.allclose(series, log_h(z), rtol=1e-9, atol=1e-6)
    seams = np.array([-1e4 - 1e-6, -1e4 + 1e-6, -1 - 1e-9, -1 + 1e-9])
    steps = np.diff(log_h(seams))[::2]
    assert np.allclose([2e-2, 0.0], steps, atol=1e-5)


@given(st.floats(-3, 3), st.floats(0.01, 3), st.floats(-3, 3))
def test_expected_improvement_is_the_integral(mean, std, best):
    """It is what a fine sum over the normal density gives."""
    f = mean + std * np.linspace(-9, 9, 20001)
    density = np.exp(-0.5 * ((f - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    expected = np.sum(np.maximum(best - f, 0) * density) * (f[1] - f[0])
    actual = np.exp(log_expected_improvement(np.array([mean]), np.array([std]), best))[0]
    assert np.isclose(expected, actual, rtol=1e-4, atol=1e-9)


# -- the objective's scale ------------------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=30))
def test_standardised_costs_keep_their_order(costs):
    """Whatever finite costs come, standardising is monotone, finite, and of sane size."""
    costs = np.array(sorted(costs))
    y = Scale.of(costs).standardise(costs)
    assert np.isfinite(y).all()
    assert (np.diff(y) >= -1e-9).all()
    assert (np.abs(y) < 1e4).all()


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_costs_come_back(costs):
    """`cost` undoes `standardise`."""
    costs = np.array(costs)
    scale = Scale.of(costs)
    back = [scale.cost(y) for y in scale.standardise(costs)]
    assert np.allclose(costs, back, rtol=1e-6, atol=1e-6 * np.abs(costs).max())


def test_a_diverged_run_does_not_flatten_the_others():
    """With one cost of 1e30 the good ones still differ by a good part of a standard deviation."""
    costs = np.array([0.3, 0.2, 0.25, 0.4, 0.35, 0.22, 1e30])
    y = Scale.of(costs).standardise(costs)
    assert y[3] - y[1] > 0.01
