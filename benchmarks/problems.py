"""The problems: sequences, labels and a network, the same numbers in every process.

Letters: T steps, B sequences, D features, H units, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

K = 10
OF_FUNCTION = 50  # operations of a large product that take as long as a tanh of elman's, in AVX-512


class Size(NamedTuple):
    """What a cell adds up and computes: rows of U, W and b, in H, and functions a unit and step."""

    U: int
    W: int
    b: int
    functions: int  # tanh and sigmoid, forward


SIZES = {"tanh": Size(1, 1, 1, 1), "gru": Size(3, 3, 4, 3), "lstm": Size(4, 4, 4, 5)}
REMEMBERING = {"gru": 1, "lstm": 1}  # the gate that keeps a state: z of r, z, n, m; f of i, f, g, o


@dataclass(frozen=True)
class Problem:
    """A batch and a network for it: one layer, a label a sequence, the mean cross-entropy.

    Attributes
    ----------
    T, D, B, H : int
    shortest : int, optional
        Then the batch is ragged: lengths are spread evenly from here to T.
    cell : {"tanh", "gru", "lstm"}
    """

    T: int
    D: int
    B: int
    H: int
    shortest: int | None = None
    cell: str = "tanh"

    def __str__(self) -> str:
        T = self.T if self.shortest is None else f"{self.shortest}…{self.T}"
        return f"{T}/{self.D}/{self.B}/{self.H}"

    @property
    def lengths(self) -> np.ndarray:
        """The steps of each sequence, (B,), longest first."""
        shortest = self.T if self.shortest is None else self.shortest
        return np.linspace(self.T, shortest, self.B).round().astype(np.int64)

    @property
    def operations(self) -> int:
        """Floating-point operations of a training step: its matrix products."""
        D, H, size = self.D, self.H, SIZES[self.cell]
        of_step = 6 * (size.U * D * H + size.W * H * H) - 2 * size.U * D * H
        return int(self.lengths.sum()) * of_step

    @property
    def limit(self) -> float:
        """The share of a large product's speed that can be had: tanh and sigmoid take time as well.

        If nothing else did: no memory, no errors of gates, no function computed twice.
        """
        functions = int(self.lengths.sum()) * SIZES[self.cell].functions * self.H
        return self.operations / (self.operations + OF_FUNCTION * functions)

    def data(self) -> tuple[list[np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """Draw the sequences, B × (T, D); the labels, (B,); the parameters U, W, b, V, c.

        W is orthogonal and what drives it small, so that after 1000 steps the errors are normal numbers
        still: some contenders take denormal ones for zero, others compute with them, slowly. With
        gates W is small, and one gate's bias large: it is the gate that passes errors on.
        """
        size, H = SIZES[self.cell], self.H
        rng = np.random.default_rng(0)
        X = [rng.standard_normal((T, self.D), dtype=np.float32) for T in self.lengths]
        labels = rng.integers(K, size=self.B)
        parameters = {
            "U": rng.standard_normal((size.U * H, self.D)) / np.sqrt(self.D) / 16,
            "W": np.concatenate(np.linalg.qr(rng.standard_normal((size.W, H, H)))[0]),
            "b": rng.standard_normal(size.b * H) / 32,
            "V": rng.standard_normal((K, self.H)) * np.sqrt(2 / (K + self.H)),
            "c": rng.standard_normal(K) / 10,
        }
        if gate := REMEMBERING.get(self.cell):
            parameters["W"] /= 8
            parameters["b"][gate * H : (gate + 1) * H] += 4
        return X, labels, {name: array.astype(np.float32) for name, array in parameters.items()}

    def time_major(self, X: list[np.ndarray]) -> Any:
        """Stack sequences of one length as PyTorch, JAX and ONNX take them, (T, B, D)."""
        return np.ascontiguousarray(np.stack(X, axis=1))


RAGGED = Problem(200, 28, 128, 128, shortest=10)
SHAPES = [
    Problem(28, 28, 32, 64),
    Problem(28, 28, 128, 128),
    Problem(28, 28, 256, 256),
    Problem(100, 12, 64, 64),
    Problem(784, 1, 128, 128),
    Problem(64, 256, 64, 512),
    Problem(50, 256, 64, 1024),
    Problem(50, 8, 1, 32),
    Problem(1000, 3, 16, 64),
]
ONE_STREAM = Problem(20, 28, 1, 128)
