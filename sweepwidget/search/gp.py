"""A Gaussian process small enough to read: what `method: bayes` believes about the objective.

The model, for costs y at points X (n points, standardised costs, smaller is better):

    y_i = f(x_i) + ε_i                 ε_i ~ N(0, s² λ)           noise; λ is the noise ratio
    f   ~ GP(m, s² k)                  k: Matérn-5/2, one lengthscale ℓ_d per parameter
    m   ~ N(0, s²),   s² ~ InvGamma(a, b)

Mean m and amplitude s² are integrated out in closed form, so only θ = (log ℓ_1 … log ℓ_D, log λ) is fitted: its most
probable value under a weak prior (MAP). Everything is a pure function of its arguments.

[RW]  Rasmussen & Williams, Gaussian Processes for Machine Learning, MIT Press 2006, http://gaussianprocess.org/gpml
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray
from scipy.optimize import minimize

from .linalg import Floats, gram, grow, product, whiten, whitened

AMPLITUDE_A, AMPLITUDE_B = 2.0, 2.0
"""s² ~ InvGamma(a, b): of the order of 1 for standardised costs, and finite when all costs are equal."""
LENGTHSCALE_MEDIAN, LENGTHSCALE_SPREAD = 0.6, 0.9
"""log ℓ ~ N(log(0.6 D^¼), 0.9²): distances grow with D, so plausible lengthscales do too."""
NOISE_LOG_MEDIAN, NOISE_SPREAD = -9.0, 3.0
"""log λ ~ N(-9, 3²): most objectives are nearly free of noise, some are not."""
LENGTHSCALE_BOUNDS = (0.02, 8.0)
NOISE_BOUNDS = (1e-6, 10.0)
"""The floor keeps the Cholesky factor safe; no jitter is ever added elsewhere."""
NOISY = 1e-2
"""The noise ratio of the second start: from almost no noise a fit does not find its way to much."""
COARSE = 64
"""Rows on which the starts are compared."""
PRIOR_VARIANCE = 2.0
"""Var f(x) / s² before any data: 1 of the mean m and 1 of the kernel."""


@frozen(eq=False)
class Inputs:
    """Points as columns of numbers, shape (n, F), and which lengthscale each column belongs to, shape (F,).

    A parameter is one column, or, when its values have no order, one column per value (one-hot, times √½): the squared
    distance of two such rows is 1 if the values differ and 0 if not, which is the Hamming distance.
    """

    columns: Floats
    groups: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def dimensions(self) -> int:
        return int(self.groups[-1]) + 1

    def take(self, rows: NDArray[np.intp]) -> Inputs:
        return evolve(self, columns=self.columns[rows])


@frozen(eq=False)
class Theta:
    """Hyper-parameters: `lengthscales` ℓ, shape (D,), and the noise ratio λ = noise variance / s²."""

    lengthscales: Floats
    noise: float

    @classmethod
    def default(cls, D: int) -> Theta:
        """The prior's median."""
        return cls(np.full(D, LENGTHSCALE_MEDIAN * D**0.25), math.exp(NOISE_LOG_MEDIAN))

    @classmethod
    def of_logs(cls, logs: Floats) -> Theta:
        return cls(np.exp(logs[:-1]), math.exp(logs[-1]))

    @property
    def logs(self) -> Floats:
        return np.append(np.log(self.lengthscales), math.log(self.noise))


# -- the kernel -----------------------------------------------------------------------------------------------------


def squared_distances(A: Floats, B: Floats) -> Floats:
    """r²_ij = |a_i - b_j|², shape (len(A), len(B)), by the binomial formula (never negative)."""
    r2 = product(A, -2.0 * B.T)
    r2 += np.einsum("ij,ij->i", A, A)[:, None]
    r2 += np.einsum("ij,ij->i", B, B)
    return np.maximum(r2, 0.0, out=r2)


def matern(r2: Floats) -> tuple[Floats, Floats]:
    """Matérn-5/2 of squared scaled distances, and its slope g = -2 dk/d(r²). Works in the memory of `r2`.

    k = (1 + √5 r + 5/3 r²) exp(-√5 r)        [RW] eq. 4.17
    g = 5/3 (1 + √5 r) exp(-√5 r)             so that ∂k/∂log ℓ_d = g Δ_d²/ℓ_d²  and  ∂k/∂x_d = -g Δ_d/ℓ_d²
    """
    r2 *= 5.0
    t = np.sqrt(r2, out=r2)
    decay = np.exp(-t)
    g = t + 1.0
    g *= decay
    k = np.square(t, out=t)
    k *= 1 / 3
    k *= decay
    k += g
    g *= 5 / 3
    return k, g


# -- fitting θ ------------------------------------------------------------------------------------------------------


def log_evidence(theta: Theta, X: Inputs, y: Floats) -> tuple[float, Floats]:
    """The value of log p(y | X, θ) up to a constant, and its gradient with respect to θ's logarithms, shape (D + 1,).

    With C = k(X, X) + λ I + 1 1ᵀ (the last term is the mean m, [RW] eq. 2.40 with h = 1), integrating s² out of
    N(y | 0, s² C) leaves a Student-t density ([RW] section 9.9):

        log p = -½ log|C| - (a + n/2) log(b + ½ yᵀ C⁻¹ y)
        ∂ log p = ½ tr[(c α αᵀ - C⁻¹) ∂C],   α = C⁻¹ y,   c = (a + n/2) / (b + ½ yᵀ α)       cf. [RW] eq. 5.9

    The trace over Δ_d² splits into sums over rows, so that no n × n × D array is ever built.
    """
    n = len(y)
    Z = X.columns / theta.lengthscales[X.groups]
    C, g = matern(squared_distances(Z, Z))
    C += 1.0
    C.ravel()[:: n + 1] += theta.noise
    R = whiten(C)
    alpha = R.T @ (R @ y)
    shape, rate = AMPLITUDE_A + n / 2, AMPLITUDE_B + 0.5 * float(y @ alpha)
    value = float(np.log(R.diagonal()).sum()) - shape * math.log(rate)

    W = np.outer((shape / rate) * alpha, alpha)
    W -= gram(R)  # C⁻¹
    by_noise = 0.5 * theta.noise * float(W.trace())
    W *= g
    by_column = W.sum(axis=1) @ (Z * Z) - np.einsum("ij,ij->j", Z, product(W, Z))
    by_lengthscale = np.bincount(X.groups, by_column, minlength=X.dimensions)
    return value, np.append(by_lengthscale, by_noise)


def log_prior(theta: Theta) -> tuple[float, Floats]:
    """The value of log p(θ) up to a constant, and its gradient: independent normals of the logarithms."""
    D = len(theta.lengthscales)
    spread = np.append(np.full(D, LENGTHSCALE_SPREAD), NOISE_SPREAD)
    z = (theta.logs - Theta.default(D).logs) / spread
    return -0.5 * float(z @ z), -z / spread


def fit(X: Inputs, y: Floats) -> Theta:
    """The most probable θ (MAP), a function of the data alone.

    Two starts, little noise and much, are followed on at most COARSE of the rows; the better end is refined on all.
    """
    D = X.dimensions
    quiet = Theta.default(D)
    starts = [quiet, evolve(quiet, noise=NOISY)]
    if len(y) <= COARSE:
        return _most_probable(X, y, starts)
    rows = np.linspace(0, len(y) - 1, COARSE).astype(np.intp)
    return _most_probable(X, y, [_most_probable(X.take(rows), y[rows], starts)])


def _most_probable(X: Inputs, y: Floats, starts: Sequence[Theta]) -> Theta:
    def loss(logs: Floats) -> tuple[float, Floats]:
        theta = Theta.of_logs(logs)
        evidence, d_evidence = log_evidence(theta, X, y)
        prior, d_prior = log_prior(theta)
        return -(evidence + prior), -(d_evidence + d_prior)

    bounds = np.log([LENGTHSCALE_BOUNDS] * X.dimensions + [NOISE_BOUNDS])
    options = {"maxiter": 60, "ftol": 1e-5}
    ends = [minimize(loss, s.logs, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for s in starts]
    return Theta.of_logs(min(ends, key=lambda end: float(end.fun)).x)


# -- the posterior --------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Posterior:
    """What is believed of f after seeing data. `Z` are the data's columns divided by their lengthscales, shape (n, F);
    `scale` those lengthscales, shape (F,); Rᵀ R = C⁻¹; α = C⁻¹ y; `amplitude` the posterior mean of s².

    Points given to its methods are columns, too, scaled likewise: `posterior.predict(X.columns / posterior.scale)`.
    """

    theta: Theta
    scale: Floats
    Z: Floats
    y: Floats
    R: Floats
    alpha: Floats
    amplitude: float

    def predict(self, Z: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f (without noise) at the points, each of shape (m,).  [RW] eq. 2.25, 2.26"""
        k = 1.0 + matern(squared_distances(Z, self.Z))[0]
        return k @ self.alpha, self._std(whitened(k, self.R))

    def predict_mean(self, Z: Floats) -> Floats:
        """Only the mean, which is much cheaper."""
        mean: Floats = self.alpha.sum() + matern(squared_distances(Z, self.Z))[0] @ self.alpha
        return mean

    def predict_with_gradient(self, Z: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, standard deviation, and the gradient of either with respect to the scaled columns, shape (m, F)."""
        k, g = matern(squared_distances(Z, self.Z))
        k += 1.0
        V = whitened(k, self.R)
        std = self._std(V)
        d_mean = self._pull(Z, g * self.alpha)
        d_std = -(self.amplitude / std)[:, None] * self._pull(Z, g * product(V, self.R))
        return k @ self.alpha, std, d_mean, d_std

    def believe(self, Z: Floats) -> Posterior:
        """The posterior after the points have returned, without noise, what is expected of them ("Kriging believer").

        Means stay as they are; the uncertainty near the points vanishes, so that runs still at work are not doubled.
        Ginsbourger, Le Riche & Carraro 2010, "Kriging is well-suited to parallelize optimization", section 3.2.
        """
        k = 1.0 + matern(squared_distances(Z, self.Z))[0]
        C = 1.0 + matern(squared_distances(Z, Z))[0]
        C[np.diag_indices_from(C)] += NOISE_BOUNDS[0]
        R = grow(self.R, k, C)
        y = np.append(self.y, k @ self.alpha)
        return evolve(self, Z=np.vstack([self.Z, Z]), y=y, R=R, alpha=R.T @ (R @ y))

    def given(self, y: Floats) -> Posterior:
        """The posterior after the first len(y) points have returned y instead, with the same θ."""
        return _posterior(self.theta, self.scale, self.Z[: len(y)], y, self.R[: len(y), : len(y)])

    def _std(self, V: Floats) -> Floats:
        variance = PRIOR_VARIANCE - np.einsum("ij,ij->i", V, V)
        std: Floats = np.sqrt(self.amplitude * np.maximum(variance, 1e-12))
        return std

    def _pull(self, Z: Floats, weights: Floats) -> Floats:
        """Σ_i w_ji ∂k(z_j, z_i)/∂z_j / g_ji = -Σ_i w_ji (z_j - z_i): weights include g; shape (m, F)."""
        pull: Floats = weights @ self.Z - weights.sum(axis=1)[:, None] * Z
        return pull


def condition(X: Inputs, y: Floats, theta: Theta) -> Posterior:
    """The posterior given data X, y and hyper-parameters."""
    scale = theta.lengthscales[X.groups]
    Z = X.columns / scale
    C = 1.0 + matern(squared_distances(Z, Z))[0]
    C[np.diag_indices_from(C)] += theta.noise
    return _posterior(theta, scale, Z, y, whiten(C))


def _posterior(theta: Theta, scale: Floats, Z: Floats, y: Floats, R: Floats) -> Posterior:
    alpha: Floats = R.T @ (R @ y)
    amplitude = (AMPLITUDE_B + 0.5 * float(y @ alpha)) / (AMPLITUDE_A + len(y) / 2)
    return Posterior(theta, scale, Z, y, R, alpha, amplitude)
