"""The front end in torch, on padded batches: ``FrontEnd.apply``.

Measures of a sequence are computed in float64, as in ``data/frontend.py``.

Letters: B sequences, T samples of D features, F numbers a sample, L samples a frame, T' steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elman.data.frame import Frame
from elman.data.frontend import CONSTANT, FLOOR


def steps_of(
    x: Tensor,
    there: Tensor,
    mean: Tensor,
    scale: Tensor,
    level: Tensor | None,
    differences: bool,
    frame: Frame | None,
) -> tuple[Tensor, Tensor]:
    """Make the network's steps.

    Parameters
    ----------
    x : tensor (B, T, D)
        0 past a sequence's end.
    there : tensor (B, T)
        Which samples exist.
    mean, scale, level : tensors (D,)
        ``level``, float64, only where a sequence is standardised by itself.
    differences, frame
        As in ``FrontEnd``.

    Returns
    -------
    x : tensor (B, T', n_inputs)
    there : tensor (B, T')
    """
    blocks, levels = [(x - mean) / scale], None
    if level is not None:
        z, levels = _by_itself(x, there, scale, level)
        blocks.append(z)
    if differences:
        of = blocks[-1]
        blocks.append(of - torch.cat([of[:, :1], of[:, :-1]], 1))  # the first difference is 0
    x = torch.cat(blocks, 2)
    if frame is not None:
        x, there = _framed(x, there.sum(1), frame)
    if levels is not None:
        x = torch.cat([x, levels.expand(-1, x.shape[1], -1)], 2)
    return x, there


def filled(x: Tensor, means: Tensor, forward: bool, indicated: tuple[int, ...]) -> Tensor:
    """Fill NaN of x (B, T, ·) as ``Filling.fill`` does: (B, T, D)."""
    absent = x.isnan()
    if forward:
        steps = torch.arange(x.shape[1], device=x.device)[None, :, None]
        latest = torch.where(absent, -1, steps).cummax(1).values
        x = torch.where(latest >= 0, x.gather(1, latest.clamp(min=0)), means)
    else:
        x = torch.where(absent, means, x)
    return torch.cat([x, absent[:, :, list(indicated)].to(x.dtype)], 2)


def _by_itself(x: Tensor, there: Tensor, scale: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise each sequence by itself: z (B, T, D), and levels (B, 1, D)."""
    n, alive = there.sum(1)[:, None, None].double(), there[:, :, None]
    exact = x.double()
    largest = exact.abs().amax(1, keepdim=True)
    # Squares of huge or tiny values would overflow or vanish: use a power of two, which is exact.
    factor = torch.ones_like(largest).masked_fill(largest < 1e-100, 2.0**600)
    factor = factor.masked_fill(largest > 1e100, 2.0**-600)
    exact = exact * factor
    mean = exact.sum(1, keepdim=True) / n
    off = torch.where(alive, exact - mean, 0.0)
    variance = off.square().sum(1, keepdim=True) / n
    rounding = n * torch.finfo(torch.float64).eps * mean.abs()
    deviation = torch.where(variance <= rounding.square(), 0.0, variance.sqrt())
    constant = deviation <= CONSTANT * mean.abs()
    z = off / torch.where(constant, torch.inf, deviation)
    share = (deviation / factor / scale.double()).clamp(max=1e300)
    return z.to(x.dtype), (torch.log(share + FLOOR) - level).to(x.dtype)


def _framed(x: Tensor, lengths: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
    """Put the samples of each frame side by side: (B, T, F) to (B, T', L F)."""
    L, stride, aligned = frame
    T = x.shape[1]
    n_steps, last = lengths, lengths - 1
    if not aligned:
        T = max(1 + (T - L) // stride, 1)
        n_steps = (1 + (lengths - L).div(stride, rounding_mode="floor")).clamp(min=1)
    steps = torch.arange(T, device=x.device)
    rows = steps[:, None] * stride + torch.arange(L, device=x.device) - (L - 1) * aligned
    # The sequence's first or last sample is repeated.
    rows = torch.minimum(rows.clamp(min=0), last[:, None, None])  # (B, T', L)
    sequences = torch.arange(len(x), device=x.device)[:, None, None]
    return x[sequences, rows].flatten(2), steps < n_steps[:, None]
