"""Write what PyTorch computes to ``torch_*.npz``, which ``test_torch.py`` compares with.

In an environment of its own, since the tests need no PyTorch, and this script nothing of elman:

    python3 -m venv torch && torch/bin/pip install torch==2.13.0 numpy==2.4.6
    torch/bin/python tests/oracles/write_torch.py

Run it again when there are new cases. The same releases on the same processor write the same bytes;
on another one the last digits may differ.
"""

from itertools import accumulate, pairwise, product
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
D, H, K = 3, 7, 4
LENGTHS = {"equal": [9] * 5, "ragged": [4, 9, 1, 6, 6]}
N_STEPS, N_THETA = 200, 6


def write_gradients(rng):
    """Write loss and gradients of small networks, in float64.

    ``X`` (5, 9, D), of which ragged sequences are the first steps, the labels ``y_last`` (5,) and
    ``y_steps`` (5, 9), the ``weights`` (5,) and the parameters ``U1`` … ``c`` of three layers have
    values that float32 holds too. A case is named by its cell, layers, labels, lengths and bias; its
    array is the loss, and behind it the gradients, flat, in the order U1, W1, b1, U2, …, V, c.
    """
    shapes = {}
    for k, n_inputs in enumerate((D, H, H), start=1):
        shapes |= {f"U{k}": (H, n_inputs), f"W{k}": (H, H), f"b{k}": (H,)}
    shapes |= {"V": (K, H), "c": (K,)}
    given = {name: rng.standard_normal(s) / np.sqrt(s[-1]) for name, s in shapes.items()}
    given |= {"X": rng.standard_normal((5, 9, D)), "weights": rng.uniform(0.5, 2, 5)}
    given = {name: array.astype(np.float32) for name, array in given.items()}
    given |= {"y_last": rng.integers(K, size=5), "y_steps": rng.integers(K, size=(5, 9))}

    cases = {}
    for cell, n_layers, labels, lengths, bias in product(
        ("tanh", "relu", "dense"), (1, 2, 3), ("steps", "last"), LENGTHS, ("bias", "no bias")
    ):
        name = f"{cell}-{n_layers}-{labels}-{lengths}-{bias}"
        X = [
            torch.tensor(x[:n]).double() for x, n in zip(given["X"], LENGTHS[lengths], strict=True)
        ]
        cases[name] = loss_and_gradients(given, cell, n_layers, labels, X, bias == "bias")
    np.savez_compressed(HERE / "torch_gradients.npz", **given, **cases)


def loss_and_gradients(given, cell, n_layers, labels, X, bias):
    """(1/n) Σ_i w_i Σ_t L_{i,t}, over all steps or each sequence's last, and its gradients."""
    make = feed_forward if cell == "dense" else recurrent
    states_of, parameters = make(cell, n_layers, bias)
    linear = torch.nn.Linear(H, K, bias, dtype=torch.float64)
    parameters |= {"V": linear.weight} | ({"c": linear.bias} if bias else {})
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.tensor(given[name]))

    states = states_of(X)
    if labels == "steps":
        y = [torch.tensor(y_i[: len(x)]) for y_i, x in zip(given["y_steps"], X, strict=True)]
    else:
        y, states = list(torch.tensor(given["y_last"])[:, None]), [h[-1:] for h in states]
    loss = sum(
        w * torch.nn.functional.cross_entropy(linear(h), y_i, reduction="sum")
        for w, h, y_i in zip(torch.tensor(given["weights"]).double(), states, y, strict=True)
    ) / len(X)
    loss.backward()
    in_order = [parameters[name].grad.numpy().ravel() for name in given if name in parameters]
    return np.concatenate([[loss.item()], *in_order])


def recurrent(cell, n_layers, bias):
    """Make a function of sequences that returns the top layer's states, and its parameters."""
    rnn = torch.nn.RNN(D, H, n_layers, cell, bias, dtype=torch.float64)
    parameters = {}
    for k in range(n_layers):
        parameters[f"U{k + 1}"] = getattr(rnn, f"weight_ih_l{k}")
        parameters[f"W{k + 1}"] = getattr(rnn, f"weight_hh_l{k}")
        if bias:
            parameters[f"b{k + 1}"] = getattr(rnn, f"bias_ih_l{k}")
            torch.nn.init.zeros_(getattr(rnn, f"bias_hh_l{k}"))  # PyTorch has two, we have one

    def states_of(X):
        states, _ = rnn(torch.nn.utils.rnn.pack_sequence(X, enforce_sorted=False))
        return torch.nn.utils.rnn.unpack_sequence(states)

    return states_of, parameters


def feed_forward(_cell, n_layers, bias):
    """Make the same of layers of tanh without recurrence."""
    sizes = [D, *[H] * n_layers]
    layers = [torch.nn.Linear(*size, bias, dtype=torch.float64) for size in pairwise(sizes)]
    parameters = {}
    for k, layer in enumerate(layers, start=1):
        parameters |= {f"U{k}": layer.weight} | ({f"b{k}": layer.bias} if bias else {})

    def states_of(X):
        return [
            list(accumulate(layers, lambda h, layer: layer(h).tanh(), initial=x))[-1] for x in X
        ]

    return states_of, parameters


# With no settings, elman's defaults are PyTorch's (which has no default for momentum).
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "momentum-set": (torch.optim.SGD, {"momentum": 0.7}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "nesterov-set": (torch.optim.SGD, {"momentum": 0.7, "nesterov": True}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "rmsprop-set": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-4}),
    "adam": (torch.optim.Adam, {}),
    "adam-set": (torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-4}),
}


def write_optimizers(rng):
    """Write where each optimizer is after each of many steps, in float64.

    From ``theta`` (n,) on, the gradient of step t is ``curvature`` (n,) · θ + ``noise[t]``, and the
    learning rate ``rates[t]``. An optimizer's array (n_steps, n) is θ after each step.
    """
    given = {
        "theta": rng.standard_normal(N_THETA),
        "curvature": rng.uniform(0.5, 3, N_THETA),
        "noise": rng.standard_normal((N_STEPS, N_THETA)),
        "rates": 0.05 / (1 + 0.02 * np.arange(N_STEPS)),
    }
    curvature, noise = torch.tensor(given["curvature"]), torch.tensor(given["noise"])
    paths = {}
    for name, (make, settings) in OPTIMIZERS.items():
        theta = torch.tensor(given["theta"], requires_grad=True)
        optimizer = make([theta], lr=1.0, **settings)
        path = []
        for noise_t, rate in zip(noise, given["rates"], strict=True):
            optimizer.param_groups[0]["lr"] = rate
            theta.grad = curvature * theta.detach() + noise_t
            optimizer.step()
            path.append(theta.detach().numpy().copy())
        paths[name] = np.array(path)

    # Clipping, to a norm that is below the gradient's and to one that is above.
    gradient = rng.standard_normal(20)
    clipped = {}
    for max_norm in (0.5, 1000.0):
        parameter = torch.zeros(20, dtype=torch.float64)
        parameter.grad = torch.tensor(gradient)
        norm = torch.nn.utils.clip_grad_norm_([parameter], max_norm).item()
        clipped[f"clipped-{max_norm}"] = np.array([norm, *parameter.grad.numpy()])
    np.savez_compressed(
        HERE / "torch_optimizers.npz", **given, **paths, gradient=gradient, **clipped
    )


if __name__ == "__main__":
    write_gradients(np.random.default_rng(8))
    write_optimizers(np.random.default_rng(6))
