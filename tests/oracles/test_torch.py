"""Loss, gradients and optimizers beside PyTorch's, as ``write_torch.py`` wrote them down."""

from pathlib import Path

import numpy as np
import pytest

from elman import Network
from elman.engines.compiled import engine as compiled
from elman.training import clip_norm, make_optimizer
from tolerances import OPTIMIZER_VERSUS_TORCH, VERSUS_TORCH, relative_error


def read(name):
    with np.load(Path(__file__).with_name(name)) as file:
        return dict(file)


GRADIENTS, OPTIMIZERS = read("torch_gradients.npz"), read("torch_optimizers.npz")
LENGTHS = {"equal": (9,) * 5, "ragged": (4, 9, 1, 6, 6)}
NAMES = ["U1", "W1", "b1", "U2", "W2", "b2", "U3", "W3", "b3", "V", "c"]  # in the file's order


@pytest.fixture(params=["reference", "panels", "rows"])
def engine(request, monkeypatch):
    """Both engines, and both ways to compute of the compiled one, which the batch's size decides."""
    if request.param == "reference":
        return "reference"
    monkeypatch.setattr(compiled, "are_few", lambda *_: request.param == "rows")
    return "compiled"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", ["bias", "no bias"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("labels", ["steps", "last"])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["tanh", "relu", "dense"])
def test_loss_and_gradients_are_torchs(cell, n_layers, labels, lengths, bias, dtype, engine):
    given, case = GRADIENTS, f"{cell}-{n_layers}-{labels}-{lengths}-{bias}"
    (K, H), D = given["V"].shape, given["X"].shape[2]
    network = Network(
        D, [H] * n_layers, K, cell=cell, bias=bias == "bias", dtype=dtype, engine=engine
    )
    for name, array in network.parameters.items():
        array[...] = given[name]
    X = [x[:n].astype(dtype) for x, n in zip(given["X"], LENGTHS[lengths], strict=True)]
    y = given["y_last"]
    if labels == "steps":
        y = [y_i[:n] for y_i, n in zip(given["y_steps"], LENGTHS[lengths], strict=True)]
    loss, gradients = network.loss_and_gradients(X, y, given["weights"])

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_loss, *expected = given[case]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    names = [name for name in NAMES if name in gradients]
    assert len(expected) == sum(gradients[name].size for name in names)
    ends = np.cumsum([gradients[name].size for name in names])
    for name, part in zip(names, np.split(expected, ends[:-1]), strict=True):
        ours = gradients[name]
        assert relative_error(ours, part.reshape(ours.shape)) <= tolerance, name


SETTINGS = {
    "sgd": {},
    "momentum": {},
    "momentum-set": {"momentum": 0.7},
    "nesterov": {},
    "nesterov-set": {"momentum": 0.7},
    "rmsprop": {"beta_2": 0.99},
    "rmsprop-set": {"beta_2": 0.9, "epsilon": 1e-4},
    "adam": {},
    "adam-set": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_each_of_200_steps_is_torchs(case):
    given, path = OPTIMIZERS, OPTIMIZERS[case]
    assert len(path) == 200
    theta = given["theta"].copy()
    optimizer = make_optimizer(case.removesuffix("-set"), **SETTINGS[case])
    for noise, rate, expected in zip(given["noise"], given["rates"], path, strict=True):
        optimizer.apply(theta, given["curvature"] * theta + noise, rate)
        assert relative_error(theta, expected) <= OPTIMIZER_VERSUS_TORCH[theta.dtype]


@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_clipping_is_torchs(max_norm):
    expected_norm, *expected = OPTIMIZERS[f"clipped-{max_norm}"]
    gradient = OPTIMIZERS["gradient"].copy()
    assert clip_norm(gradient, max_norm) == pytest.approx(expected_norm)
    # PyTorch divides by the norm plus 1e-6.
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
