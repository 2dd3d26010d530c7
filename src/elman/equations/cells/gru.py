"""Gated recurrent units."""

from __future__ import annotations

from typing import ClassVar

from elman.equations.cells.cell import Cell, Values
from elman.equations.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class GRU(Cell):
    """A reset gate r, an update gate z and a candidate n (Cho et al. 2014, eqs. 5 to 8).

        r = σ(a_r)    z = σ(a_z)    n = tanh(a_n + r ⊙ a_m)    h = (1 - z) ⊙ n + z ⊙ h_{t-1}

    The reset gate multiplies a_m = W_m h_{t-1} + b_m, after the product, as in PyTorch, cuDNN and
    Keras. So a_n reads x_t alone, and a_m h_{t-1} alone.
    """

    gates = ("r", "z", "n", "m")
    reads: ClassVar = {"n": "x", "m": "h"}

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        r, z, m = sigmoid(a[0]), sigmoid(a[1]), a[3]
        n = tanh(a[2] + r * m)
        return (n + z * (before[0] - n),), (r, z, n, m)

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``."""
        (dh,), (r, z, n, m), (h_before,) = d, kept, before
        da_n = dh * (1.0 - z) * tanh_slope(n)
        da_r = da_n * m * sigmoid_slope(r)
        da_z = dh * (h_before - n) * sigmoid_slope(z)
        return (da_r, da_z, da_n, da_n * r), (dh * z,)
