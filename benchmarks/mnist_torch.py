"""MNIST by rows in plain PyTorch, by the recipe of ``elman train mnist``.

One layer of tanh units, Adam at a rate that rises and then falls along half a cosine, clipped
gradients, a small penalty on squared weights, inputs brought to mean 0 and deviation 1, orthogonal W.

    python benchmarks/mnist_torch.py DATA_DIR [--hidden 128] [--epochs 6] …
"""

import argparse
import gzip
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

WARMUP, CLIP, PENALTY = 0.05, 0.5, 0.02


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Read an IDX file of bytes, plain or gzipped."""
    plain = folder / name
    data = (
        plain.read_bytes()
        if plain.exists()
        else gzip.decompress((folder / f"{name}.gz").read_bytes())
    )
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


class RowReader(nn.Module):
    """Reads a picture row by row, then says which digit it is."""

    def __init__(self, n_hidden: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(28, n_hidden)
        self.output = nn.Linear(n_hidden, 10)
        nn.init.xavier_uniform_(self.rnn.weight_ih_l0)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)
        nn.init.xavier_uniform_(self.output.weight)
        for bias in (self.rnn.bias_ih_l0, self.rnn.bias_hh_l0, self.output.bias):
            nn.init.zeros_(bias)
        self.rnn.bias_hh_l0.requires_grad_(False)  # one bias is enough

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits, (B, 10), of pictures (28, B, 28)."""
        _, h = self.rnn(x)
        return self.output(h[0])


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    X_train, X_test = (
        torch.from_numpy(read_idx(options.data_dir, f"{part}-images-idx3-ubyte").astype(np.float32))
        for part in ("train", "t10k")
    )
    y_train, y_test = (
        torch.from_numpy(read_idx(options.data_dir, f"{part}-labels-idx1-ubyte").astype(np.int64))
        for part in ("train", "t10k")
    )
    deviation, mean = torch.std_mean(X_train, dim=(0, 1), correction=0)
    deviation[deviation == 0] = 1
    # (n, 28, 28) → (28, n, 28): time first, as nn.RNN computes
    X_train = ((X_train - mean) / deviation).transpose(0, 1).contiguous()
    X_test = ((X_test - mean) / deviation).transpose(0, 1).contiguous()

    network = RowReader(options.hidden)
    parameters = [p for p in network.parameters() if p.requires_grad]
    # The penalty is on a batch's sum of losses, PyTorch's on their mean; biases go without.
    decay = {True: PENALTY / options.batch_size, False: 0.0}
    groups = [
        {
            "params": [p for p in parameters if (p.ndim > 1) == weights],
            "weight_decay": decay[weights],
        }
        for weights in (True, False)
    ]
    optimizer = torch.optim.Adam(groups, options.learning_rate)
    n_updates = options.epochs * math.ceil(len(y_train) / options.batch_size)
    n_warmup = math.ceil(WARMUP * n_updates)

    def share(update: int) -> float:
        if update < n_warmup:
            return (update + 1) / (n_warmup + 1)
        progress = (update - n_warmup + 1) / (n_updates - n_warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        for batch in torch.randperm(len(y_train)).split(options.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(X_train[:, batch]), y_train[batch])
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch}/{options.epochs}  loss {total / len(y_train):.4f}", flush=True)

    with torch.inference_mode():
        accuracy = (network(X_test).argmax(dim=1) == y_test).float().mean().item()
    print(f"test accuracy {accuracy:.2%}")


if __name__ == "__main__":
    main()
