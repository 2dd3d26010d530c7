"""Long short-term memory."""

from __future__ import annotations

from typing import ClassVar

from elman.equations.cells.cell import Cell, Values
from elman.equations.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class LSTM(Cell):
    """An input gate i, a forget gate f, a candidate g and an output gate o (Gers et al. 2000).

        i = σ(a_i)    f = σ(a_f)    g = tanh(a_g)    o = σ(a_o)
        s = f ⊙ s_{t-1} + i ⊙ g                      h = o ⊙ tanh(s)

    s is the cell state, written c elsewhere; c is the output's bias here. The forget gate's bias begins
    at 1 (Jozefowicz et al. 2015).
    """

    gates = ("i", "f", "g", "o")
    states = ("h", "s")
    first_bias: ClassVar = {"f": 1.0}

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), tanh(a[2]), sigmoid(a[3])
        s = f * before[1] + i * g
        return (o * tanh(s), s), (i, f, g, o)

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``."""
        (dh, ds), (i, f, g, o), s_before = d, kept, before[1]
        tanh_s = tanh(after[1])
        ds = ds + dh * o * tanh_slope(tanh_s)
        da_i = ds * g * sigmoid_slope(i)
        da_f = ds * s_before * sigmoid_slope(f)
        da_o = dh * tanh_s * sigmoid_slope(o)
        return (da_i, da_f, ds * i * tanh_slope(g), da_o), (None, ds * f)
