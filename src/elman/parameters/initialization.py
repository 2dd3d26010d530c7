"""The first values of a network's parameters, drawn at random."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from elman._memory import require_memory
from elman._typing import Array
from elman.parameters.architecture import Architecture
from elman.parameters.parameters import Parameters

logger = logging.getLogger("elman")

REFLECTIONS = 64  # how many are applied together; the exactness of sums depends on it
ROWS = 128  # how many rows of a matrix are cut together, while they are in the cache
LARGEST_HALF_ANGLE = 0.2  # the tangent of half the largest angle of an initial rotation
LARGE = 4096  # units: from here on drawing W takes many seconds


def initialize(
    architecture: Architecture, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32
) -> Parameters:
    """Draw a network's first parameters.

    U and V are uniform in ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, eq. 16), W is a random
    orthogonal matrix (Saxe et al. 2014, section 3), so that at first ‖W h‖ = ‖h‖ over any number of
    steps, and the biases are zero; all that gate by gate. Layers of ``relu`` take W = 1, the identity
    (Le, Jaitly and Hinton 2015), which neither shrinks nor rotates the state. A cell may ask for
    rotations instead (``Cell.first_recurrence``): at each step, each pair of units is rotated by an
    angle of 0 to 0.4; small angles are more frequent (as in Henaff et al. 2016 and Helfrich et
    al. 2018, whose angles are larger). A random orthogonal matrix rotates by any angle, so after some
    steps the sign of a state is lost; slow rotations preserve it over hundreds of steps. The bias of an
    LSTM's forget gate is 1 (Jozefowicz et al. 2015), so that at first the cell keeps its state.

    Parameters
    ----------
    architecture : Architecture
    rng : numpy.random.Generator
        Numbers are drawn in float64, so that a seed means the same network in every dtype.
    dtype : dtype

    Returns
    -------
    Parameters of that dtype.

    Raises
    ------
    MemoryError
        If they need more memory than there is.
    """
    n_bytes = architecture.n_parameters * np.dtype(dtype).itemsize
    require_memory(n_bytes, f"a network of {architecture.n_parameters:,} parameters")
    parameters = Parameters.zeros(architecture, dtype)
    for name, spec in architecture.specs.items():
        cell = None if spec.layer is None else architecture.layer_cells[spec.layer - 1]
        blocks = np.split(parameters[name], len(spec.gates) or 1)  # gate by gate
        for gate, block in zip(spec.gates or ("",), blocks, strict=True):
            if spec.role in ("input", "output"):
                bound = np.sqrt(6 / sum(block.shape))
                block[...] = rng.uniform(-bound, bound, block.shape)
            elif spec.role == "recurrent":
                first_recurrence = "orthogonal" if cell is None else cell.first_recurrence
                block[...] = _FIRST_W[first_recurrence](len(block), rng)
            elif cell is not None:
                block[...] = cell.first_bias.get(gate, 0.0)
    return parameters


def _random_orthogonal(n: int, rng: np.random.Generator) -> Array:
    """Draw one uniformly, as a product of random Householder reflections (Stewart 1980, section 3).

    For a row x of n normal numbers and v = x ± ‖x‖ e₁, the first row of ∓(1 - 2 vᵀv / v vᵀ) is
    x / ‖x‖, which is uniform. The other rows are an orthogonal matrix of n - 1 columns, drawn in the
    same way, times that reflection.

    ``REFLECTIONS`` are applied together (Joffrain et al. 2006), so that nearly all of the work is
    products of matrices. BLAS sums products in an order that depends on the processor and the number
    of threads. So the factors are cut into parts of so few bits that all sums are exact, in any
    order (Ozaki et al. 2012). For this, v is rounded to 22 bits, which rotates a reflection by about
    1e-6; it is still a reflection.
    """
    if n >= LARGE:
        logger.info("drawing an orthogonal matrix W of %d × %d; this takes a while …", n, n)
    Q = np.zeros((n, n))
    for first in reversed(range(0, n, REFLECTIONS)):
        block = Q[first:, first:]  # (m, m)
        m, k = len(block), min(REFLECTIONS, len(block))
        i = np.arange(k)

        V = rng.standard_normal((k, m))  # row i is a v, and begins with i zeros
        V[:, :k] *= i[:, None] <= i
        norms, signs = np.sqrt(np.square(V).sum(axis=1)), np.copysign(1.0, V[i, i])
        V[i, i] += signs * norms
        V *= 2.0**22 / np.sqrt(2 * norms * abs(V[i, i]))[:, None]
        V = np.rint(V) * 2.0**-22
        products = V @ V.T  # multiples of 2^-44, below 2
        block[i, i] = -signs

        # Z (k, m): how much of each v is subtracted from each row, the last v first. At first it is
        # V blockᵀ. Since v, a row and the parts of a row are no longer than about 1, no part of a
        # sum is either: multiples of 2^-52 below 2, and multiples of 2^-75 below √m 2^-31.
        Z = np.empty_like(V)
        Z[:, :k] = V[:, :k] * -signs  # the block begins with a diagonal
        for j in range(k, m, ROWS):
            high, low = _cut(block[j : j + ROWS, k:], 30, 53)
            Z[:, j : j + ROWS] = V[:, k:] @ high.T + V[:, k:] @ low.T
        scale = 2 / products.diagonal()[:, None]
        Z *= scale
        products *= scale
        for j in range(k - 1, 0, -1):
            Z[:j] -= products[:j, j, None] * Z[j]

        # |Z| ≤ 2 and |V| ≤ 1: multiples of 2^-46 up to 2^7, and multiples of 2^-72 up to 2^-19.
        high, low = _cut(Z, 24, 50)
        for j in range(0, m, ROWS):
            part = slice(j, j + ROWS)
            block[part] -= high[:, part].T @ V + low[:, part].T @ V
    return Q


def _cut(a: Array, bits: int, bits_of_rest: int) -> tuple[Array, Array]:
    """Cut numbers into a multiple of 2^-bits and the rest, rounded to a multiple of 2^-bits_of_rest."""
    high = np.rint(a * 2.0**bits) * 2.0**-bits
    return high, np.rint((a - high) * 2.0**bits_of_rest) * 2.0**-bits_of_rest


def _identity(n: int, rng: np.random.Generator) -> Array:
    return np.eye(n)


def _random_rotations(n: int, rng: np.random.Generator) -> Array:
    """Draw rotations of pairs of units. If their number is odd, the last unit keeps its value.

    Cosine and sine come from t = tan(angle / 2), by divisions, which give the same bits everywhere.
    """
    W = np.eye(n)
    first = np.arange(0, n - 1, 2)
    t = LARGEST_HALF_ANGLE * rng.uniform(0, 1, len(first)) ** 2
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    W[first, first] = W[first + 1, first + 1] = cos
    W[first, first + 1], W[first + 1, first] = -sin, sin
    return W


_FIRST_W = {
    "orthogonal": _random_orthogonal,
    "identity": _identity,
    "rotations": _random_rotations,
}
