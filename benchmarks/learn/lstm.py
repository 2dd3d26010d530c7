"""PyTorch's LSTM as one trains it by a common recipe, in three variants.

64 units, 1,500 updates on batches of 16, Adam at 0.001 that falls along half a cosine, gradients
clipped at norm 1, inputs brought to mean 0 and deviation 1.

Sequences of unequal lengths are padded behind their ends, which no state before can see: the
answer is read at each sequence's own last step, the mean is over its own steps, and the second
direction reads each sequence turned round by itself. That is what packing computes (a test compares
them), in a twentieth of packing's time where the lengths differ (PLAID, torch 2.13, one thread).

Letters: T steps, B sequences, D features, H units, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

H, N_UPDATES, BATCH, RATE, CLIP = 64, 1500, 16, 0.001, 1.0


class Network(nn.Module):
    """Reads sequences, then says what they are."""

    def __init__(self, variant: str, D: int, K: int) -> None:
        super().__init__()
        self.variant = variant
        self.forwards = nn.LSTM(D, H, batch_first=True)
        if variant == "both":
            self.backwards = nn.LSTM(D, H, batch_first=True)
        self.output = nn.Linear(2 * H if variant == "both" else H, K)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the logits, (B, K), of sequences (B, T, D)."""
        h, _ = self.forwards(x)  # (B, T, H)
        if self.variant == "mean":
            real = torch.arange(x.shape[1]) < lengths[:, None]  # (B, T)
            return self.output((h * real[:, :, None]).sum(dim=1) / lengths[:, None])
        last = h[torch.arange(len(x)), lengths - 1]
        if self.variant == "both":
            # What is before the first step comes behind the turned sequence: padding again.
            turned = (lengths[:, None] - 1 - torch.arange(x.shape[1])).clamp(min=0)  # (B, T)
            h, _ = self.backwards(x.gather(1, turned[:, :, None].expand_as(x)))
            last = torch.cat([last, h[torch.arange(len(x)), lengths - 1]], dim=1)
        return self.output(last)


def fit(
    X: list[np.ndarray], y: np.ndarray, seed: int, n_threads: int, variant: str
) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Train a variant, "last", "mean" or "both"; return what predicts."""
    torch.set_num_threads(n_threads)
    torch.manual_seed(seed)
    classes, labels = np.unique(y, return_inverse=True)
    steps = np.concatenate(X)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    deviation[deviation == 0] = 1

    def prepare(X: list[np.ndarray]) -> list[torch.Tensor]:
        return [torch.from_numpy(((x - mean) / deviation).astype(np.float32)) for x in X]

    def logits(x: list[torch.Tensor]) -> torch.Tensor:
        padded = nn.utils.rnn.pad_sequence(x, batch_first=True)
        return network(padded, torch.tensor([len(one) for one in x]))

    x, targets = prepare(X), torch.from_numpy(labels)
    network = Network(variant, X[0].shape[1], len(classes))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, N_UPDATES)
    n_done = 0
    while n_done < N_UPDATES:
        for batch in torch.randperm(len(x)).split(BATCH)[: N_UPDATES - n_done]:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(logits([x[i] for i in batch]), targets[batch])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            n_done += 1

    @torch.inference_mode()
    def predict(X: list[np.ndarray]) -> np.ndarray:
        x = prepare(X)
        parts = [logits(x[i : i + BATCH]).argmax(dim=1) for i in range(0, len(x), BATCH)]
        return classes[torch.cat(parts).numpy()]

    return predict
