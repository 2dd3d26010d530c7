"""Write what PyTorch computes of cells, readouts, directions and losses to ``torch_*.npz``.

As ``write_torch.py``, in an environment without elman:

    torch/bin/python tests/oracles/write_torch_cells.py

``torch.nn.GRU``, ``LSTM`` and ``RNN`` compute the cells that PyTorch has, in float64; of the leaky cell
the steps are written out, and autograd differentiates them. Parameters and gradients have our names
and layout: one U, W and b a layer, gate by gate in PyTorch's order (LSTM: i, f, g, o; GRU: r, z, n),
but for the biases of GRU's candidate, which stay apart (r, z, n, m).

Letters: T steps, D features, H units, K outputs.
"""

from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

HERE = Path(__file__).parent
D, H, K = 3, 5, 4
LENGTHS = {"equal": [9] * 5, "ragged": [4, 9, 1, 6, 6]}
ALPHA = 0.3  # of the leaky cell
GATES = {"tanh": 1, "leaky": 1, "gru": 3, "lstm": 4}  # rows of U and W, in H
BIASES = GATES | {"gru": 4}


class Recurrent(torch.nn.Module):
    """Layers of one cell under a linear output, with parameters of our names."""

    def __init__(self, cell, n_layers, bias, n_directions=1, n_outputs=K):
        super().__init__()
        self.cell, self.n_layers, self.bias, self.n_directions = cell, n_layers, bias, n_directions
        make = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}.get(cell, torch.nn.RNN)
        self.rnn = make(
            D, H, n_layers, bias=bias, bidirectional=n_directions == 2, dtype=torch.float64
        )
        self.output = torch.nn.Linear(n_directions * H, n_outputs, bias, dtype=torch.float64)

    def places(self):
        """Where each of our parameters is in theirs: pieces of arrays, one below the other."""
        places = {}
        for k, reverse in product(range(self.n_layers), ("", "_reverse")[: self.n_directions]):
            theirs = {
                kind: getattr(self.rnn, f"{kind}_l{k}{reverse}", None)
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            places[f"U{k + 1}{reverse}"] = [(theirs["weight_ih"], slice(None))]
            places[f"W{k + 1}{reverse}"] = [(theirs["weight_hh"], slice(None))]
            if self.bias:
                places[f"b{k + 1}{reverse}"] = [(theirs["bias_ih"], slice(None))]
                if self.cell == "gru":
                    places[f"b{k + 1}{reverse}"].append((theirs["bias_hh"], slice(2 * H, None)))
        places["V"] = [(self.output.weight, slice(None))]
        return places | ({"c": [(self.output.bias, slice(None))]} if self.bias else {})

    def set(self, given):
        """Take parameters; PyTorch's second biases, where we have one, are zero."""
        with torch.no_grad():
            for name, parameter in self.rnn.named_parameters():
                if name.startswith("bias_hh"):
                    parameter.zero_()
            for name, pieces in self.places().items():
                rest = torch.tensor(shortened(self.cell, name, given[name])).double()
                for parameter, part in pieces:
                    n = len(parameter[part])
                    parameter[part] = rest[:n]
                    rest = rest[n:]
                assert len(rest) == 0, name

    def gradients(self):
        """Return the gradients, flat, in the order of ``places``."""
        pieces = [piece for pieces in self.places().values() for piece in pieces]
        return np.concatenate([parameter.grad[part].numpy().ravel() for parameter, part in pieces])

    def states(self, X, initial=None):
        """The top layer's h, (T, n_directions H) a sequence; an LSTM's s after the last step."""
        if self.cell == "leaky":
            return [self._leaky(x, initial) for x in X], None
        if initial is not None:
            initial = [s[:, None].expand(-1, len(X), -1).contiguous() for s in initial]
            initial = tuple(initial) if self.cell == "lstm" else initial[0]
        h, last = self.rnn(pack_sequence(X, enforce_sorted=False), initial)
        return unpack_sequence(h), last[1] if self.cell == "lstm" else None

    def _leaky(self, x, initial):
        for k in range(self.n_layers):
            U, W = (getattr(self.rnn, f"weight_{kind}_l{k}") for kind in ("ih", "hh"))
            b = getattr(self.rnn, f"bias_ih_l{k}") if self.bias else 0
            h = [torch.zeros(H).double() if initial is None else initial[0][k]]
            for x_t in x:
                h.append((1 - ALPHA) * h[-1] + ALPHA * torch.tanh(U @ x_t + W @ h[-1] + b))
            x = torch.stack(h[1:])
        return x

    def read(self, h, readout):
        """What the output gets of a sequence's states (T, n_directions H)."""
        if readout == "steps":
            return h
        if readout == "last":  # each direction's own: the other one ends at the first step
            return torch.cat([h[-1, :H], h[0, H:]])[None]
        return h.mean(0)[None] if readout == "mean" else h.amax(0)[None]


def shortened(cell, name, array):
    """The rows that a cell has; ``given`` has those of the cell with most gates."""
    if name in ("V", "c"):
        return array
    return array[: (BIASES if name[0] == "b" else GATES)[cell] * H]


def draw(rng, n_layers, n_directions=1, n_outputs=K):
    """Draw parameters and sequences, which float32 holds too, and labels."""
    shapes = {}
    for k, reverse in product(range(1, n_layers + 1), ("", "_reverse")[:n_directions]):
        n_inputs = D if k == 1 else n_directions * H
        shapes |= {f"U{k}{reverse}": (4 * H, n_inputs), f"W{k}{reverse}": (4 * H, H)}
        shapes |= {f"b{k}{reverse}": (4 * H,)}
    shapes |= {"V": (n_outputs, n_directions * H), "c": (n_outputs,)}
    given = {name: rng.standard_normal(s) / np.sqrt(s[-1]) for name, s in shapes.items()}
    given |= {"X": rng.standard_normal((5, 9, D)), "weights": rng.uniform(0.5, 2, 5)}
    given = {name: array.astype(np.float32) for name, array in given.items()}
    return given | {"y_last": rng.integers(K, size=5), "y_steps": rng.integers(K, size=(5, 9))}


def sequences(given, lengths):
    """The first steps of each sequence."""
    pairs = zip(given["X"], LENGTHS[lengths], strict=True)
    return [torch.tensor(x[:n]).double() for x, n in pairs]


def cross_entropy(z, y):
    """Σ_t of N3's loss."""
    return torch.nn.functional.cross_entropy(z, y, reduction="sum")


def loss_and_gradients(network, given, lengths, readout, loss_of=cross_entropy, initial=None):
    """(1/n) Σ_i w_i Σ_t L_{i,t}, its gradients, and behind them those of the initial states."""
    X = sequences(given, lengths)
    if readout == "steps":
        y = [torch.tensor(y_i[: len(x)]) for y_i, x in zip(given["y_steps"], X, strict=True)]
    else:
        y = list(torch.tensor(given["y_last"])[:, None])
    network.set(given)
    network.zero_grad()
    if initial is not None:
        initial = [torch.tensor(s).double().requires_grad_() for s in initial]
    states, _ = network.states(X, initial)
    weights = torch.tensor(given["weights"]).double()
    loss = sum(
        w * loss_of(network.output(network.read(h, readout)), y_i)
        for w, h, y_i in zip(weights, states, y, strict=True)
    ) / len(X)
    loss.backward()
    of_initial = [s.grad.numpy().ravel() for s in initial or ()]
    return np.concatenate([[loss.item()], network.gradients(), *of_initial])


def write_cells(rng):
    """Write loss and gradients, and what forward computes, to ``torch_cells.npz``.

    As in ``torch_gradients.npz``, but ``U1`` … ``b2`` have the rows of four gates, of which a cell
    takes the first it has. Beside ``CELL-LAYERS-LABELS-LENGTHS-BIAS``, where LABELS may also be the
    readout ``mean`` or ``max``, there are

    - ``…-initial``, with ``initial`` (2, 2 layers, H), h_0 and s_0 of all sequences: behind the other
      gradients, those of h_0 of each layer, and then those of s_0;
    - ``CELL-LAYERS-LENGTHS-BIAS-forward``: the top layer's h and z, (ΣT, H + K);
    - ``CELL-LAYERS-LENGTHS-BIAS-s``: s after each sequence's last step, (layers, 5, H).
    """
    given = draw(rng, n_layers=2)
    given["initial"] = rng.uniform(-0.9, 0.9, (2, 2, H)).astype(np.float32)
    written = {}
    for cell, n_layers, lengths, bias in product(
        ("leaky", "gru", "lstm"), (1, 2), LENGTHS, ("bias", "no bias")
    ):
        network = Recurrent(cell, n_layers, bias == "bias")
        readouts = ("steps", "last", "mean", "max") if bias == "bias" else ("steps", "last")
        for readout in readouts:
            name = f"{cell}-{n_layers}-{readout}-{lengths}-{bias}"
            written[name] = loss_and_gradients(network, given, lengths, readout)
        with torch.no_grad():
            h, s = network.states(sequences(given, lengths))
            h = torch.cat(h)
            forward = torch.cat([h, network.output(h)], dim=1)
        written[f"{cell}-{n_layers}-{lengths}-{bias}-forward"] = forward.numpy()
        if s is not None:
            written[f"{cell}-{n_layers}-{lengths}-{bias}-s"] = s.numpy()
        if bias == "bias":
            initial = given["initial"][: 1 + (cell == "lstm"), :n_layers]
            written[f"{cell}-{n_layers}-steps-{lengths}-bias-initial"] = loss_and_gradients(
                network, given, lengths, "steps", initial=initial
            )
    np.savez_compressed(HERE / "torch_cells.npz", **given, **written)


def write_directions(rng):
    """Write loss and gradients of networks in both directions to ``torch_directions.npz``.

    As above; the backward direction's parameters are called ``U1_reverse``, and so on, and stand
    behind the forward one's. V reads the forward direction's h first.
    """
    given, written = draw(rng, n_layers=2, n_directions=2), {}
    for cell, n_layers, lengths in product(("tanh", "gru", "lstm"), (1, 2), LENGTHS):
        network = Recurrent(cell, n_layers, bias=True, n_directions=2)
        for readout in ("steps", "last") if n_layers == 2 else ("steps", "last", "mean", "max"):
            name = f"{cell}-{n_layers}-{readout}-{lengths}-bias"
            written[name] = loss_and_gradients(network, given, lengths, readout)
    np.savez_compressed(HERE / "torch_directions.npz", **given, **written)


QUANTILE = 0.3
LOSSES = {
    "squared_error": lambda z, y: torch.nn.functional.mse_loss(z, y, reduction="sum") / 2,
    "absolute_error": lambda z, y: torch.nn.functional.l1_loss(z, y, reduction="sum"),
    "quantile": lambda z, y: torch.maximum(QUANTILE * (y - z), (QUANTILE - 1) * (y - z)).sum(),
    "poisson": lambda z, y: torch.nn.functional.poisson_nll_loss(z, y, reduction="sum"),
}


def write_losses(rng):
    """Write loss and gradients of numbers that are to be predicted to ``torch_losses.npz``.

    Two a step or a sequence, ``y_steps`` (5, 9, 2) or ``y_last`` (5, 2), which are counts for
    ``poisson``: ``n_steps`` and ``n_last``. The losses sum over both; squared error has a half. A
    case is named LOSS-CELL-LABELS-LENGTHS.
    """
    given = draw(rng, n_layers=1, n_outputs=2)
    given["y_steps"] = rng.standard_normal((5, 9, 2)).astype(np.float32)
    given["y_last"] = rng.standard_normal((5, 2)).astype(np.float32)
    counts = {"n_steps": rng.poisson(2, (5, 9, 2)), "n_last": rng.poisson(2, (5, 2))}
    written = {}
    for (loss, loss_of), cell, labels, lengths in product(
        LOSSES.items(), ("tanh", "lstm"), ("steps", "last"), LENGTHS
    ):
        targets = dict(given)
        for kind in ("steps", "last"):
            y = counts[f"n_{kind}"] if loss == "poisson" else given[f"y_{kind}"]
            targets[f"y_{kind}"] = y.astype(np.float64)
        network = Recurrent(cell, 1, bias=True, n_outputs=2)
        written[f"{loss}-{cell}-{labels}-{lengths}"] = loss_and_gradients(
            network, targets, lengths, labels, loss_of
        )
    np.savez_compressed(HERE / "torch_losses.npz", **given, **counts, **written)


if __name__ == "__main__":
    write_cells(np.random.default_rng(11))
    write_directions(np.random.default_rng(12))
    write_losses(np.random.default_rng(13))
