"""A hundred steps of each optimizer beside PyTorch's."""

import numpy as np
import pytest

from elman.training import clip_norm, make_optimizer
from tolerances import OPTIMIZER_VERSUS_TORCH, relative_error

torch = pytest.importorskip("torch", reason="pip install torch==2.13.0")

N_STEPS = 150

# With no settings, our defaults are PyTorch's (which has no default for momentum).
CASES = [
    ("sgd", {}, "SGD", {}),
    ("momentum", {}, "SGD", {"momentum": 0.9}),
    ("momentum", {"momentum": 0.7}, "SGD", {"momentum": 0.7}),
    ("nesterov", {}, "SGD", {"momentum": 0.9, "nesterov": True}),
    ("nesterov", {"momentum": 0.7}, "SGD", {"momentum": 0.7, "nesterov": True}),
    ("rmsprop", {"beta_2": 0.99}, "RMSprop", {}),
    ("rmsprop", {"beta_2": 0.9, "epsilon": 1e-4}, "RMSprop", {"alpha": 0.9, "eps": 1e-4}),
    ("adam", {}, "Adam", {}),
    (
        "adam",
        {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4},
        "Adam",
        {"betas": (0.8, 0.95), "eps": 1e-4},
    ),
]


@pytest.mark.parametrize(("name", "ours", "their_name", "theirs"), CASES)
def test_steps_are_torchs(name, ours, their_name, theirs):
    rng = np.random.default_rng(6)
    theta = rng.standard_normal(12)
    tensor = torch.tensor(theta, requires_grad=True)
    optimizer = make_optimizer(name, **ours)
    torchs = getattr(torch.optim, their_name)([tensor], lr=1.0, **theirs)
    curvature = rng.uniform(0.5, 3, 12)
    for step in range(N_STEPS):
        noise = rng.standard_normal(12)
        learning_rate = 0.05 / (1 + 0.02 * step)
        optimizer.apply(theta, curvature * theta + noise, learning_rate)
        torchs.param_groups[0]["lr"] = learning_rate
        tensor.grad = torch.tensor(curvature) * tensor.detach() + torch.tensor(noise)
        torchs.step()
    difference = relative_error(theta, tensor.detach().numpy())
    assert difference <= OPTIMIZER_VERSUS_TORCH[theta.dtype]


@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clipping_is_torchs(max_norm):
    gradient = np.random.default_rng(6).standard_normal(20)
    tensor = torch.zeros(20, dtype=torch.float64)
    tensor.grad = torch.tensor(gradient)
    norm = torch.nn.utils.clip_grad_norm_([tensor], max_norm)
    assert clip_norm(gradient, max_norm) == pytest.approx(norm.item())
    # PyTorch divides by the norm plus 1e-6.
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-6)
