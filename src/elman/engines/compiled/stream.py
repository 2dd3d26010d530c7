"""Steps of a stream: what a state of the compiled engine has, and how it begins."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.engines.carry import Carry
from elman.engines.compiled import rows
from elman.engines.compiled.arguments import initial_of
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.packing import packed
from elman.engines.compiled.rows.records import rows_of_record
from elman.engines.compiled.rows.streaming import room_to_step, step
from elman.engines.streaming import State, check_step, check_token, not_finite, origin_of, shapes_of
from elman.parameters import Parameters


class Stream(NamedTuple):
    """What does not change from step to step."""

    layout: Layout
    weights: Array
    spans: Array
    scaling: Array  # mean, then scale
    kind: tuple[np.dtype[Any], bool | None]  # of numbers, and of ``rows.streaming.step``
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # of x_t and ŷ_t
    n_records: int  # numbers of the records of all sequences; behind them is a place for ŷ and more
    names: tuple[str, ...] | None  # of the features
    origin: bytes


class CompiledState(State):
    """See ``State``. A record has x_t and h_t of every layer (``rows``)."""

    __slots__ = ("n_steps", "records", "stream")

    def __init__(self, stream: Stream, records: Array, n_steps: int = 0) -> None:
        self.stream = stream
        self.records = records
        self.n_steps = n_steps

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, CompiledState]:
        """See ``State.step``."""
        stream = self.stream
        layout, weights, spans, scaling, kind, (x_shape, y_shape), n_records, names, _ = stream
        dtype, several = kind
        x_t = check_step(x_t, x_shape, dtype, names)
        after = np.empty(len(self.records), dtype)
        if not step.of_kind(
            kind, layout.layers, layout.gates, weights, spans, layout.state_rows, layout.widest,
            scaling, x_t.reshape(-1), self.records, after, n_records, self.n_steps, several,
        ):  # fmt: skip
            check_token(layout.architecture, x_t)
            raise not_finite(x_t, *np.split(scaling, 2))
        y_hat = after[n_records : n_records + prod(y_shape)].reshape(y_shape).copy()
        return y_hat, CompiledState(stream, after, self.n_steps + 1)

    @property
    def carry(self) -> Carry:
        """See ``State.carry``."""
        layout, n_records = self.stream.layout, self.stream.n_records
        n = n_records // rows_of_record(layout)
        of_layers = self.records[: n * layout.state_rows].reshape(n, layout.state_rows)
        states = [of_layers[:, place : place + H] for place, H, _ in layout.states]
        return Carry(layout.architecture, np.concatenate(states, axis=1))

    @property
    def origin(self) -> bytes:
        """See ``State.origin``."""
        return self.stream.origin


def begin(
    parameters: Parameters,
    n_sequences: int | None,
    mean: Array,
    scale: Array,
    names: tuple[str, ...] | None,
    carry: Carry | None,
    buffers: Buffers,
) -> CompiledState:
    """Make the state before the first step: see ``Engine.initial_state``."""
    shapes = shapes_of(parameters.architecture, n_sequences)
    dtype = parameters.vector.dtype
    layout, net = packed(parameters, rows.unit, buffers)
    n = n_sequences or 1
    scaling = np.concatenate([mean, scale], dtype=dtype)
    n_records = n * rows_of_record(layout)
    origin = origin_of("compiled", parameters, mean, scale, names)
    kind = dtype, True if n > 1 else None
    stream = Stream(layout, net.weights, net.spans, scaling, kind, shapes, n_records, names, origin)
    records = np.zeros(room_to_step(layout, n), dtype)
    initial = initial_of(parameters, carry)
    if len(initial):
        of_layers = records[: n * layout.state_rows].reshape(n, layout.state_rows)
        for place, H, column in layout.states:
            of_layers[:, place : place + H] = initial[:, column : column + H]
    return CompiledState(stream, records)
