"""Losses of numbers beside PyTorch's, as ``write_torch_cells.py`` wrote them down."""

from pathlib import Path

import numpy as np
import pytest

from elman import Network
from elman.engines import ENGINES
from elman.equations.losses import Quantile
from tolerances import VERSUS_TORCH, relative_error

with np.load(Path(__file__).with_name("torch_losses.npz")) as file:
    GIVEN = dict(file)
LENGTHS = {"equal": (9,) * 5, "ragged": (4, 9, 1, 6, 6)}
LOSSES = {
    "squared_error": "squared_error",
    "absolute_error": "absolute_error",
    "quantile": Quantile(0.3),
    "poisson": "poisson",
}
GATES = {"tanh": 1, "lstm": 4}
NAMES = ("U1", "W1", "b1", "V", "c")  # in the file's order


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("labels", ["steps", "last"])
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_loss_and_gradients_are_torchs(engine, loss, cell, labels, lengths, dtype):
    (K, H), D = GIVEN["V"].shape, GIVEN["X"].shape[2]
    network = Network(D, H, K, cell=cell, dtype=dtype, engine=engine, loss=LOSSES[loss])
    for name, array in network.parameters.items():
        array[...] = GIVEN[name][: GATES[cell] * H] if name[-1] == "1" else GIVEN[name]
    X = [x[:n].astype(dtype) for x, n in zip(GIVEN["X"], LENGTHS[lengths], strict=True)]
    y = GIVEN[f"{'n' if loss == 'poisson' else 'y'}_{labels}"]
    if labels == "steps":
        y = [y_i[: len(x)] for y_i, x in zip(y, X, strict=True)]
    value, gradients = network.loss_and_gradients(X, y, GIVEN["weights"])

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_value, *expected = GIVEN[f"{loss}-{cell}-{labels}-{lengths}"]
    assert value == pytest.approx(expected_value, rel=tolerance)
    assert tuple(gradients) == NAMES
    ends = np.cumsum([gradients[name].size for name in NAMES])
    assert len(expected) == ends[-1]
    for name, part in zip(NAMES, np.split(expected, ends[:-1]), strict=True):
        ours = gradients[name]
        assert relative_error(ours, part.reshape(ours.shape)) <= tolerance, name
