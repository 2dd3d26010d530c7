"""Why gradients vanish or explode: what the Jacobians ∂h_t/∂h_{t-1} = diag(f') W do to lengths."""

from __future__ import annotations

import numpy as np

from elman._typing import Array


def largest_singular(matrices: Array) -> Array:
    """The largest singular value of each matrix, (n, H, H) to (n,).

    It is the root of the largest eigenvalue of A Aᵀ, exact for the largest, and 2.5 times as fast.
    """
    largest = np.abs(matrices).max(axis=(-2, -1), initial=0)
    scale = np.where(largest > 0, largest, 1)  # so that squares are numbers
    A = matrices / scale[:, None, None]
    squares = np.linalg.eigvalsh(A @ A.transpose(0, 2, 1))[:, -1]
    return np.asarray(np.sqrt(np.maximum(squares, 0)) * scale)


def largest_of_products(jacobians: Array) -> Array:
    """The largest singular values of the products jacobian(T) … jacobian(t), for each t.

    Parameters
    ----------
    jacobians : array (T, H, H)

    Returns
    -------
    array (T,)
        Infinity where it is beyond the largest number.
    """
    products = np.empty_like(jacobians)
    logs = np.zeros(len(jacobians))  # what was taken off, so that no product over- or underflows
    product, log = np.eye(jacobians.shape[-1]), 0.0
    for t in reversed(range(len(jacobians))):
        product = product @ jacobians[t]
        size = np.abs(product).max()
        if size > 0:
            product = product / size
            log += np.log(size)
        products[t], logs[t] = product, log
    largest = largest_singular(products)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.where(largest > 0, largest * np.exp(logs), 0)


def lyapunov(jacobians: Array, n_exponents: int, seed: int = 0) -> Array:
    """Finite-time Lyapunov exponents by the QR method (Benettin et al. 1980).

    Orthonormal directions are carried through the Jacobians and made orthonormal again each step;
    what their lengths grow by, as a logarithm per step, are the exponents.

    Parameters
    ----------
    jacobians : array (n_steps, H, H)
        In the order of time.
    n_exponents : int
    seed : int
        For the directions to begin with: over a finite time the exponents depend on them.

    Returns
    -------
    array (n_exponents,)
        Largest first; NaN if there is no step, -∞ where a direction was lost.
    """
    H = jacobians.shape[-1]
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((H, n_exponents)))
    logs = np.zeros(n_exponents)
    with np.errstate(divide="ignore", invalid="ignore"):
        for jacobian in jacobians:
            Q, R = np.linalg.qr(jacobian @ Q)
            logs += np.log(np.abs(np.diag(R)))
        return np.sort(logs / len(jacobians))[::-1]
