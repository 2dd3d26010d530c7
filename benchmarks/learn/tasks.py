"""Tasks that need memory, drawn here: for the tagger, the regressor, the regressor of steps.

The baselines see a window of steps, or a summary; each task asks for what lies further back, or for
what is lost in the summary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.learn.problems import Part, Problem

N_TRAIN, N_TEST = 150, 150

Drawn = tuple[np.ndarray, Any]
"""A sequence (n_timesteps, n_features), and its answers (n_timesteps,) or its answer."""


def segments(rng: np.random.Generator) -> Drawn:
    """Tag which of four regimes each step belongs to: noisy waves of 60, 40, 27 and 18 steps.

    A sequence is three to five segments of 60 to 120 steps, one behind another; a wave is longer than
    a window.
    """
    x, y, last = [], [], -1
    for _ in range(rng.integers(3, 6)):
        last = (last + rng.integers(1, 4)) % 4
        n = rng.integers(60, 121)
        phase = rng.uniform(0, 2 * np.pi)
        wave = np.sin(2 * np.pi * np.arange(n) / (60, 40, 27, 18)[last] + phase)
        x.append(rng.uniform(0.7, 1.3) * wave + 0.3 * rng.standard_normal(n))
        y.append(np.full(n, last))
    return np.concatenate(x)[:, None], np.concatenate(y)


def recall(rng: np.random.Generator) -> Drawn:
    """Tag each step with the symbol of four that stood at the last mark, one to forty steps ago."""
    n = rng.integers(80, 161)
    symbols = rng.integers(4, size=n)
    marks = rng.random(n) < 1 / 20
    marks[0] = True
    last = np.maximum.accumulate(np.where(marks, np.arange(n), 0))
    return np.column_stack([np.eye(4)[symbols], marks]), symbols[last]


def frequency(rng: np.random.Generator) -> Drawn:
    """Predict the mean frequency, in waves per 100 steps, of a noisy wave whose frequency wanders."""
    n = rng.integers(80, 161)
    wander = rng.standard_normal(n).cumsum()
    rate = rng.uniform(2, 8) * np.exp(0.3 * (wander - wander.mean()) / (wander.std() + 1))
    wave = np.sin(2 * np.pi * np.cumsum(rate) / 100 + rng.uniform(0, 2 * np.pi))
    x = rng.uniform(0.5, 2) * (wave + 0.3 * rng.standard_normal(n))
    return x[:, None], rate.mean()


def oscillator(rng: np.random.Generator) -> Drawn:
    """Predict the next value of a van der Pol oscillator from noisy ones; its damping is unknown."""
    n, dt = rng.integers(120, 201), 0.2
    damping = rng.uniform(0.2, 4)
    state = rng.uniform(-2, 2, size=2)
    path = np.empty(n + 1)
    for t in range(n + 1):
        path[t] = state[0]
        for _ in range(20):  # Euler's steps, short enough
            x, v = state
            state = state + dt / 20 * np.array([v, damping * (1 - x * x) * v - x])
    return path[:-1, None] + 0.5 * rng.standard_normal((n, 1)), path[1:]


TASKS: dict[str, tuple[str, Callable[[np.random.Generator], Drawn]]] = {
    "segments": ("tags", segments),
    "recall": ("tags", recall),
    "frequency": ("value", frequency),
    "oscillator": ("values", oscillator),
}


def task(name: str) -> Problem:
    """Draw a task's sequences, the same ones always."""
    kind, draw = TASKS[name]
    rng = np.random.default_rng(12)
    drawn = [draw(rng) for _ in range(N_TRAIN + N_TEST)]
    X = [x.astype(np.float32) for x, _ in drawn]
    y: Any = [answer for _, answer in drawn]
    if kind == "value":
        y = np.array(y)
    part = Part(X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:])
    what = (draw.__doc__ or "").split("\n")[0]
    return Problem(name, kind, part, what)
