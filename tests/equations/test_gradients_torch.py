"""Loss and gradients beside PyTorch's automatic differentiation."""

import numpy as np
import pytest

from elman import Network
from tolerances import VERSUS_TORCH, relative_error

torch = pytest.importorskip("torch", reason="pip install torch==2.13.0")

D, H, K = 3, 7, 4
RECTANGULAR, RAGGED = (9,) * 5, (4, 9, 1, 6, 6)


class Torch(torch.nn.Module):
    """torch.nn.RNN and a linear output, with a network's parameters."""

    def __init__(self, network, cell, n_layers, dtype):
        super().__init__()
        self.rnn = torch.nn.RNN(D, H, n_layers, nonlinearity=cell, batch_first=True, dtype=dtype)
        self.linear = torch.nn.Linear(H, K, dtype=dtype)
        with torch.no_grad():
            for name, theirs in self.by_name().items():
                theirs.copy_(torch.tensor(network.parameters[name]))
            for k in range(n_layers):
                getattr(self.rnn, f"bias_hh_l{k}").zero_()  # we have one bias, PyTorch two

    def by_name(self):
        """PyTorch's parameters under our names."""
        names = {"V": self.linear.weight, "c": self.linear.bias}
        for k in range(self.rnn.num_layers):
            names[f"U{k + 1}"] = getattr(self.rnn, f"weight_ih_l{k}")
            names[f"W{k + 1}"] = getattr(self.rnn, f"weight_hh_l{k}")
            names[f"b{k + 1}"] = getattr(self.rnn, f"bias_ih_l{k}")
        return names

    def loss(self, X, y, weights):
        packed = torch.nn.utils.rnn.pack_sequence(list(map(torch.tensor, X)), enforce_sorted=False)
        states, last = self.rnn(packed)
        if np.ndim(y[0]) > 0:
            unpacked = torch.nn.utils.rnn.unpack_sequence(states)
            z, labels = self.linear(torch.cat(unpacked)), torch.tensor(np.concatenate(y))
            weights = np.repeat(weights, [len(x) for x in X])
        else:
            z, labels = self.linear(last[-1]), torch.tensor(y)
        losses = torch.nn.functional.cross_entropy(z, labels, reduction="none")
        return (losses * torch.tensor(weights)).sum() / len(X)


@pytest.mark.parametrize("lengths", [RECTANGULAR, RAGGED], ids=["rectangular", "ragged"])
@pytest.mark.parametrize("every_step", [True, False], ids=["label a step", "label a sequence"])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["tanh", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_and_gradients_are_torchs(cell, n_layers, every_step, lengths, dtype):
    rng = np.random.default_rng(8)
    network = Network(D, [H] * n_layers, K, cell=cell, dtype=dtype)
    for array in network.parameters.values():
        array[...] = rng.standard_normal(array.shape) / np.sqrt(array.shape[-1])
    X = [rng.standard_normal((length, D)).astype(dtype) for length in lengths]
    y = rng.integers(K, size=len(X))
    if every_step:
        y = [rng.integers(K, size=length) for length in lengths]
    weights = rng.uniform(0.5, 2, len(X)).astype(dtype)

    theirs = Torch(network, cell, n_layers, getattr(torch, np.dtype(dtype).name))
    expected_loss = theirs.loss(X, y, weights)
    expected_loss.backward()
    loss, gradients = network.loss_and_gradients(X, y, weights)

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    assert loss == pytest.approx(expected_loss.item(), rel=tolerance)
    expected = {name: tensor.grad.numpy() for name, tensor in theirs.by_name().items()}
    assert set(expected) == set(gradients)
    for name, gradient in gradients.items():
        assert relative_error(gradient, expected[name]) <= tolerance, name
