"""Keras: weights as lists of arrays, in the order of ``model.get_weights()``, and back.

The list fits a Keras model of these layers, ``units`` and ``activation`` as in elman:

    Normalization                       where an estimator standardises x: mean, variance, count
    SimpleRNN, GRU(reset_after=True)    kernel (D, G H), recurrent_kernel (H, G H), bias
    or LSTM; or Dense(activation="tanh") of a dense layer
    Bidirectional of these              the forward weights, then the backward ones
    Dense                               kernel (H, K), bias (K,)

Keras has no layers for a front end that does more than standardise. Then there is no Normalization, and
the input of the Keras model is what ``network_input`` of the estimator returns.

Keras's order of the gates of an LSTM is i, f, c, o, which is elman's i, f, g, o, and of a GRU z, r, h.
The bias of a GRU is (2, 3 H): one added to U x, and one added to W h.

Letters: D features, H units, K outputs, G gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations.cells import GRU, LSTM, Cell, Dense, Relu, Tanh
from elman.errors import ElmanError
from elman.exporting.portable import Portable
from elman.parameters import Architecture, Parameters

_KNOWN = (Tanh, Relu, Dense, GRU, LSTM)


def to_keras(model: Portable) -> list[Array]:
    """Return a model's weights for ``keras_model.set_weights``.

    Numbers in the units of y are in the last layer's weights.

    Raises
    ------
    ElmanError
        If Keras has no such cell, or no such states before the first step.
    """
    architecture, parameters = model.architecture, model.parameters
    _require_known(architecture)
    found: list[Array] = []
    if model.standardizes and model.front_end.standardizes_alone:
        found += [model.mean, np.square(model.scale), np.array(1)]
    for spec, layer in zip(architecture.stack, parameters.layers, strict=True):
        found += list(_kernels(spec.cell, layer.U, layer.W, layer.b))
    V, c = parameters["V"], parameters.get("c")
    if model.target_scale is not None and model.target_mean is not None:
        first = np.zeros(len(V)) if c is None else c
        c = (first * model.target_scale + model.target_mean).astype(V.dtype)
        V = (V * model.target_scale[:, None]).astype(V.dtype)
    return [*found, V.T.copy(), *([] if c is None else [c.copy()])]


def _require_known(architecture: Architecture) -> None:
    for cell in architecture.layer_cells:
        if type(cell) not in _KNOWN:
            raise ElmanError(
                f"Keras has no layer of {type(cell).__name__} cells; it has SimpleRNN (tanh, relu), "
                "GRU, LSTM and Dense. Other cells leave as .onnx, .c or to_torch()."
            )
    if architecture.learn_initial_state:
        raise ElmanError(
            "Keras's layers have no learned states before the first step among their weights; export "
            "to .onnx, .c or to_torch(), or train with learn_initial_state=False"
        )


def _kernels(cell: Cell, U: Array, W: Array | None, b: Array | None) -> Iterator[Array]:
    """A layer's arrays in Keras's order."""
    if not isinstance(cell, GRU):
        yield U.T.copy()
        if W is not None:
            yield W.T.copy()
        if b is not None:
            yield b.copy()
        return
    assert W is not None
    yield _swapped(U).T.copy()
    yield _swapped(W).T.copy()
    if b is not None:
        r, z, n, m = np.split(b, 4)
        yield np.stack([np.concatenate([z, r, n]), np.concatenate([0 * z, 0 * r, m])])


def _swapped(stacked: Array) -> Array:
    """Rows of r, z, n to z, r, n, or back."""
    r, z, n = np.split(stacked, 3)
    return np.concatenate([z, r, n])


def from_keras(
    weights: Sequence[Any],
    cell: str | Sequence[str],
    *,
    bidirectional: bool = False,
    loss: Any = "cross_entropy",
    readout: str = "last",
) -> Parameters:
    """Make parameters from ``keras_model.get_weights()``; sizes are those of the arrays.

    The weights of a Normalization at the front go into the first layer's.

    Raises
    ------
    ElmanError
        If they are not the arrays of such layers.
    """
    arrays = [np.asarray(array) for array in weights]
    before = None
    if len(arrays) > 3 and [a.ndim for a in arrays[:3]] == [1, 1, 0]:
        before, arrays = (arrays[0], np.sqrt(arrays[1])), arrays[3:]
    if not arrays or arrays[-1].ndim not in (1, 2):
        raise ElmanError("weights are no list of arrays as from keras_model.get_weights()")
    bias = arrays[-1].ndim == 1
    kernels = iter(arrays)
    cells: list[str] = []
    hidden: list[int] = []
    blocks: list[list[Array]] = []
    n_directions, n_top = 1 + bidirectional, 1 + bias
    left = len(arrays) - n_top
    while left > 0:
        name = cell if isinstance(cell, str) else cell[min(len(cells), len(cell) - 1)]
        size = (1 if name == "dense" else 2) + bias
        if left < size * n_directions:
            raise ElmanError(
                f"{len(arrays)} arrays are no whole number of {cell!r} layers under a Dense; each has "
                f"{size} arrays{' a direction' * bidirectional}"
            )
        for _ in range(n_directions):
            blocks.append([next(kernels) for _ in range(size)])
        cells.append(name)
        G = {"gru": 3, "lstm": 4}.get(name, 1)
        hidden.append(blocks[-1][0].shape[-1] // G)
        left -= size * n_directions
    if not hidden:
        raise ElmanError("weights hold no recurrent layer under the Dense")
    top = list(kernels)
    architecture = Architecture.of(
        blocks[0][0].shape[0], hidden, cells, top[0].shape[-1], bias, loss,
        bidirectional=bidirectional, readout=readout,
    )  # fmt: skip
    parameters = Parameters.zeros(architecture, top[0].dtype)
    for spec, block in zip(architecture.stack, blocks, strict=True):
        for name, array in zip(_names(spec.cell, bias), block, strict=True):
            _write(parameters[f"{name}{spec.key}"], spec.cell, name, array)
    _write(parameters["V"], Tanh(), "V", top[0])
    if bias:
        _write(parameters["c"], Tanh(), "c", top[1])
    if before is not None:
        _fold(parameters, *before)
    return parameters


def _names(cell: Cell, bias: bool) -> list[str]:
    return ["U", *["W"] * cell.recurrent, *["b"] * bias]


def _write(parameter: Array, cell: Cell, name: str, array: Array) -> None:
    """Write an array of Keras into a parameter of elman."""
    if isinstance(cell, GRU):
        if name == "b":
            if array.ndim != 2:
                raise ElmanError(
                    "the GRU has one bias for x and h: it was made with reset_after=False, which is "
                    "another cell. Make it with reset_after=True, Keras's default."
                )
            (z, r, n), (z2, r2, m) = (np.split(row, 3) for row in array)
            array = np.concatenate([r + r2, z + z2, n, m])
        else:
            array = _swapped(array.T).T
    array = array.T if name in "UWV" else array
    if array.shape != parameter.shape:
        raise ElmanError(
            f"an array has shape {array.T.shape if name in 'UWV' else array.shape}, and {name} of the "
            f"network {parameter.shape}: these are not the weights of such layers"
        )
    parameter[...] = array


def _fold(parameters: Parameters, mean: Array, deviation: Array) -> None:
    """Change the first layer so that it takes x itself: U x/σ + (b - U μ/σ)."""
    if mean.any() and not parameters.architecture.bias:
        raise ElmanError(
            "the Normalization has means, and the layers have no bias that could hold them"
        )
    for spec in parameters.architecture.stack[: len(parameters.architecture.directions)]:
        U = parameters[f"U{spec.key}"]
        shift = U.astype(float) @ (mean / deviation)
        U[...] = U / deviation
        if parameters.architecture.bias:
            gates = spec.cell.gates_reading("x")
            for g, part in zip(gates, np.split(shift, len(gates)), strict=True):
                np.split(parameters[f"b{spec.key}"], len(spec.cell.gates))[g][...] -= part
