"""Where elman's weights are in torch.nn's layers, and back: names, order of gates, biases.

PyTorch's order of the gates of an LSTM is i, f, g, o, and of a GRU r, z, n, which is elman's. It has
two biases: ``bias_ih`` is elman's b, and ``bias_hh`` is 0, except for the candidate of a GRU, whose two
biases are those of n and m in elman. On the way back the two are added.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from elman._typing import Array
from elman.equations.cells import GRU, LSTM, Cell, Relu, Tanh
from elman.parameters import Architecture

LAYERS: dict[type[Cell], str] = {Tanh: "RNN", Relu: "RNN", GRU: "GRU", LSTM: "LSTM"}
"""The name of a cell's layer in torch.nn."""


def layer_state(cell: Cell, U: Array, W: Array | None, b: Array | None) -> dict[str, Array]:
    """A layer's parameters under their names in torch."""
    if type(cell) not in LAYERS:
        found = {"U": U, "W": W, "b": b}
        return {name: array for name, array in found.items() if array is not None}
    assert W is not None
    found = {"weight_ih_l0": U, "weight_hh_l0": W}
    if b is not None:
        first, second = b, np.zeros_like(b)
        if isinstance(cell, GRU):  # r, z, n and r, z, m
            r, z, n, m = np.split(b, 4)
            first, second = np.concatenate([r, z, n]), np.concatenate([0 * r, 0 * z, m])
        found |= {"bias_ih_l0": first, "bias_hh_l0": second}
    return {name: array for name, array in found.items() if array is not None}


def parameters_of(architecture: Architecture, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Turn a state with torch's names into elman's parameters."""
    found = {"V": arrays["output.weight"]}
    if architecture.bias:
        found["c"] = arrays["output.bias"]
    for k, spec in enumerate(architecture.stack):
        level, suffix = k // len(architecture.directions), "_reverse" * spec.reverse
        names = {"U": "weight_ih_l0", "W": "weight_hh_l0"}
        if type(spec.cell) not in LAYERS:
            names = {"U": "U", "W": "W", "b": "b"}
        for name, of_torch in names.items():
            if f"layers.{level}.{of_torch}{suffix}" in arrays:
                found[f"{name}{spec.key}"] = arrays[f"layers.{level}.{of_torch}{suffix}"]
        if type(spec.cell) in LAYERS and architecture.bias:
            biases = [arrays[f"layers.{level}.bias_{which}_l0{suffix}"] for which in ("ih", "hh")]
            found[f"b{spec.key}"] = joined_bias(spec.cell, *biases)
        if f"initial.{spec.key}" in arrays:
            found[f"initial{spec.key}"] = arrays[f"initial.{spec.key}"]
    return found


def joined_bias(cell: Cell, ih: Array, hh: Array) -> Array:
    """Make the bias b from PyTorch's two biases."""
    if not isinstance(cell, GRU):
        return ih + hh
    (r, z, n), (r2, z2, m) = np.split(ih, 3), np.split(hh, 3)
    return np.concatenate([r + r2, z + z2, n, m])
