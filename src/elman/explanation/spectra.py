"""Why gradients vanish or explode: how the Jacobians ∂h_t/∂h_{t-1} = diag(f') W change lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from elman._typing import Array
from elman.engines.compiled.threads import available_threads, run
from elman.explanation.one_thread import one_thread

SIDE = 64  # matrices at a time
OF_A_THREAD = 16  # so many of these for each thread


@one_thread
def largest_singular(matrices: Iterable[Array]) -> Array:
    """The largest singular value of each matrix, n times (H, H) to (n,).

    It is the root of the largest eigenvalue of A Aᵀ, exact for the largest, and 2.5 times as fast.
    """
    matrices, found = iter(matrices), []
    while some := list(islice(matrices, SIDE)):
        A = np.array(some)
        largest = np.abs(A).max(axis=(-2, -1), initial=0)
        scale = np.where(largest > 0, largest, 1)  # so that squares are numbers
        A /= scale[:, None, None]
        squares = np.empty(len(A))

        def take(i: int, A: Array = A, squares: Array = squares) -> None:
            own = slice(i * OF_A_THREAD, (i + 1) * OF_A_THREAD)
            squares[own] = np.linalg.eigvalsh(A[own] @ A[own].transpose(0, 2, 1))[:, -1]

        run(take, -(-len(A) // OF_A_THREAD), available_threads())
        found.append(np.sqrt(np.maximum(squares, 0)) * scale)
    return np.concatenate(found) if found else np.empty(0)


def largest_of_products(jacobians: Iterable[Array]) -> Array:
    """The largest singular values of the products jacobian(T) … jacobian(t), for each t.

    Parameters
    ----------
    jacobians : n arrays (H, H)
        The last one first, jacobian(T), jacobian(T - 1), …

    Returns
    -------
    array (n,)
        In the order of time. Infinity where it is beyond the largest number.
    """
    logs: list[float] = []  # of factors taken off, so that no product overflows

    def products() -> Iterator[Array]:
        product, log = None, 0.0
        for jacobian in jacobians:
            product = jacobian if product is None else product @ jacobian
            size = np.abs(product).max()
            if size > 0:
                product = product / size
                log += np.log(size)
            logs.append(log)
            yield product

    largest = largest_singular(products())
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.where(largest > 0, largest * np.exp(logs), 0)[::-1]


@one_thread
def lyapunov(
    jacobians: Iterable[Array], n_exponents: int, n_sequences: int = 1, seed: int = 0
) -> Array:
    """Finite-time Lyapunov exponents by the QR method (Benettin et al. 1980).

    Orthonormal directions are carried through the Jacobians, and made orthonormal again at each step.
    The exponents are the logarithms of the growth of their lengths, per step.

    Parameters
    ----------
    jacobians : arrays (n_k, H, H)
        In the order of time, for the first n_k of the sequences.
    n_exponents : int
    n_sequences : int
    seed : int
        For the initial directions, on which the exponents depend over a finite time.

    Returns
    -------
    array (n_sequences, n_exponents)
        Largest first; NaN if there is no step, -∞ where a direction was lost.
    """
    rng, Q = np.random.default_rng(seed), np.empty(0)
    logs, n_steps = np.zeros((n_sequences, n_exponents)), np.zeros((n_sequences, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        for jacobian in jacobians:
            n, H, _ = jacobian.shape
            if not len(Q):
                first, _ = np.linalg.qr(rng.standard_normal((H, n_exponents)))
                Q = np.repeat(first[None], n_sequences, axis=0)  # (n_sequences, H, n_exponents)
            Q[:n], R = np.linalg.qr(jacobian @ Q[:n])
            logs[:n] += np.log(np.abs(np.diagonal(R, axis1=1, axis2=2)))
            n_steps[:n] += 1
        return np.asarray(np.sort(logs / n_steps)[:, ::-1])
