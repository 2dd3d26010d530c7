"""The compiled engine's Python side: what stands where, who computes what, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt
from typing import Any, Protocol

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Batch, Division, undivided
from elman.data import Targets as FlatTargets
from elman.engines.carry import Carry
from elman.engines.compiled import bidirectional, panels, rows
from elman.engines.compiled.arguments import check_readout, data_of, targets_of
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.columns import occurring
from elman.engines.compiled.layout import Data, Layout, Net, Targets, lanes_of, layout_of
from elman.engines.compiled.packing import packed, unpack
from elman.engines.compiled.stream import begin
from elman.engines.compiled.summing import ALONE, Reducer, TreeSum, blocks_of
from elman.engines.compiled.threads import available_threads, run
from elman.engines.interface import Evaluation, Member
from elman.engines.streaming import State
from elman.equations.dropout import Dropout
from elman.parameters import Architecture, Parameters

SMALL = 1e7  # floating-point operations: below it, waking a thread takes longer than it helps
ENOUGH = 128 << 20  # bytes of states that a thread keeps, before some are computed twice
FEW, SEVERAL = 3, 16  # sequences: see ``are_few``


class Kernel(Protocol):
    """What ``rows``, for a few sequences, ``panels``, for many, and ``bidirectional`` have in common.

    The compiled ones do not look where they read and write, other than in checked mode (``memory``):
    ``work`` has the room that they say.
    """

    def unit(self, L: int) -> int:
        """The ``Layout.unit`` of vectors of L lanes."""
        ...

    def at_once(self, layout: Layout, n_sequences: int) -> int:
        """How many sequences a shard has, of so many in all."""
        ...

    PAIRS: bool
    """Whether ``train`` takes two shards at a time, of as many steps."""

    BLOCK: int
    """Of so many steps, or a multiple, are the segments that ``train`` keeps states of."""

    def room_to_train(self, layout: Layout, lengths: list[int], segment: int) -> int:
        """How many numbers ``train`` works in, for a shard of these lengths."""
        ...

    def room_to_predict(self, layout: Layout, lengths: list[int]) -> int:
        """How many numbers ``predict`` works in, for sequences of these lengths, the longest first."""
        ...

    def train(
        self,
        net: Net,
        data: Data,
        first: int,
        lengths: list[int],
        targets: Targets,
        dropout: Dropout | None,
        work: Array,
        gradients: Sequence[Array],
        segment: int,
    ) -> list[tuple[float, float]]:
        """Set each shard's gradients; return, of each, Σ w L, and Σ w over the right answers.

        There are as many shards as gradients, and ``work`` has so many times the room of one.
        ``lengths`` are those of the first shard's sequences, from the first one on. States are kept of
        a segment of the steps at a time. How long it is changes no bit.
        """
        ...

    def predict(
        self, net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array
    ) -> None:
        """Write ŷ of the sequences first … last - 1 to their places."""
        ...


class CompiledEngine:
    """Computes in compiled functions, in each thread a shard of a batch, or two.

    Parameters
    ----------
    n_threads : int, optional
        At most so many, and no more than there are cores for this process.
    checkpoint_steps : "auto", int or None
        Of how many steps states are kept at a time, as ``get_engine`` says.
    reducer : Reducer, optional
        What adds up the shards of several processes; left out, one computes all.
    """

    def __init__(
        self,
        n_threads: int | None = None,
        checkpoint_steps: str | int | None = "auto",
        reducer: Reducer | None = None,
    ) -> None:
        self._n_threads = n_threads
        self._checkpoint_steps = checkpoint_steps
        self._reducer = reducer or ALONE
        self._buffers = Buffers()

    @property
    def n_threads(self) -> int:
        """How many threads compute, at most."""
        return available_threads(self._n_threads)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy has buffers of its own, and is alone.
        return CompiledEngine, (self._n_threads, self._checkpoint_steps)

    def loss_and_gradients(
        self,
        parameters: Parameters,
        batch: Batch,
        targets: FlatTargets,
        carry: Carry | None = None,
        dropout: Dropout | None = None,
        after: Carry | None = None,
    ) -> Evaluation:
        """See ``Engine.loss_and_gradients``."""
        (found,) = self.of_each([Member(parameters, carry, dropout, after)], batch, targets)
        return found

    def of_each(
        self, members: Sequence[Member], batch: Batch, targets: FlatTargets
    ) -> list[Evaluation]:
        """See ``Engine.of_each``."""
        first, n_members, buffers = members[0].parameters, len(members), self._buffers
        division = batch.division
        reducer = self._reducer if division.n_processes > 1 else ALONE
        if (tokens := occurring(first, batch, reducer)) is not None:
            smaller = [of._replace(parameters=tokens.take(of.parameters)) for of in members]
            evaluations = self.of_each(smaller, tokens.batch, targets)
            return [
                found._replace(gradients=tokens.spread(found.gradients, of.parameters))
                for found, of in zip(evaluations, members, strict=True)
            ]
        dropped = [dropout and dropout.checked() for _, _, dropout, _ in members]
        kernel, dtype = kernel_for(first, division.n_sequences), first.vector.dtype
        flat = targets_of(first, batch, targets)
        networks = [
            packed(of.parameters, kernel.unit, buffers, how, to_train=True)
            for of, how in zip(members, dropped, strict=True)
        ]
        check_readout(first, batch)
        layout = networks[0][0].to_train
        size = kernel.at_once(layout, division.n_sequences)
        cuts = [-(-cut // size) for cut in division.cuts]
        own = range(*cuts[division.process : division.process + 2])
        trained = [
            (net, data_of(batch, of, carry, after), how, TreeSum(cuts[-1], buffers))
            for (_, net), how, (of, carry, _, after) in zip(networks, dropped, members, strict=True)
        ]

        tasks = [(m, i, 1) for i in range(len(own)) for m in range(n_members)]
        n_threads = self._threads_for(len(tasks), batch, 6 * n_members * layout.n_gradients)
        if kernel.PAIRS and len(tasks) >= 2 * n_threads:
            steps = batch.lengths[::size].tolist()
            fits = {T: self._two_fit(kernel, layout, [T] * size) for T in set(steps)}
            tasks = side_by_side(tasks, steps, n_threads, fits)

        def evaluate(task: int) -> None:
            m, i, n = tasks[task]
            net, data, how, total = trained[m]
            begin = i * size
            lengths = batch.lengths[begin : begin + size].tolist()
            segment, room = steps_kept(self._checkpoint_steps, kernel, layout, lengths)
            work = buffers.take_room(n * room, dtype)
            gradients = [buffers.take(layout.n_gradients, dtype) for _ in range(n)]
            found = kernel.train(net, data, begin, lengths, flat, how, work, gradients, segment)
            buffers.give_room(work)
            for k, (loss, correct) in enumerate(found):
                total.add(own[i + k], loss, correct, gradients[k])

        run(evaluate, len(tasks), n_threads)
        evaluations = []
        for (net, data, _, total), member in zip(trained, members, strict=True):
            parameters, after = member.parameters, member.after
            loss, correct, gradients = reducer.join(
                total, cuts, parameters.vector, layout.n_gradients
            )
            vector = np.empty(len(parameters.vector), dtype)
            unpack.of_kind(dtype, layout.layers, layout.gates, gradients, vector)
            buffers.give(gradients)
            buffers.give(net.weights)
            if after is not None:
                after.values[batch.carried] = data.after
                reducer.share(after.values, division.cuts)
            evaluations.append(
                Evaluation(loss, correct, Parameters(parameters.architecture, vector))
            )
        return evaluations

    def division(self, parameters: Parameters, lengths: IntArray) -> Division:
        """See ``Engine.division``: blocks of shards, of about as many steps each."""
        if self._reducer.size == 1:
            return undivided(lengths)
        n, dtype = len(lengths), parameters.vector.dtype
        kernel = kernel_for(parameters, n)
        layout = layout_of(parameters.architecture, kernel.unit(lanes_of(dtype)), dtype)
        size = kernel.at_once(layout, n)
        steps = np.add.reduceat(lengths, np.arange(0, n, size))
        blocks = blocks_of(steps, self._reducer.size)
        return Division((0, *(min(block.stop * size, n) for block in blocks)), self._reducer.rank)

    def probabilities(
        self, parameters: Parameters, batch: Batch, y_hat: Array, carry: Carry | None = None
    ) -> None:
        """See ``Engine.probabilities``."""
        n, buffers = len(batch), self._buffers
        architecture, dtype = parameters.architecture, parameters.vector.dtype
        kernel = kernel_for(parameters, n)
        layout, net = packed(parameters, kernel.unit, buffers)
        data = data_of(batch, parameters, carry)
        expected = (batch.n_answers, architecture.n_outputs)
        if y_hat.shape != expected or data.values.shape[1] != architecture.n_inputs:
            raise ValueError(f"the answers are {expected}, and y_hat {y_hat.shape}, or D differs")
        fits = y_hat.dtype == dtype and y_hat.flags.carray
        answers = y_hat if fits else np.empty(y_hat.shape, dtype)
        size = kernel.at_once(layout, n)
        n_shards = -(-n // size)
        if n_shards > 4:  # several shards to a task, but several tasks to a thread
            size *= max(1, min(16, n_shards // (4 * self.n_threads)))

        def answer(i: int) -> None:
            first, last = i * size, min((i + 1) * size, n)
            lengths = batch.lengths[first:last].tolist()
            work = buffers.take_room(kernel.room_to_predict(layout, lengths), dtype)
            kernel.predict(net, data, first, last, work, answers)
            buffers.give_room(work)

        n_tasks = -(-n // size)
        run(answer, n_tasks, self._threads_for(n_tasks, batch, 2 * layout.n_gradients))
        buffers.give(net.weights)
        if answers is not y_hat:
            y_hat[...] = answers

    def initial_state(
        self,
        parameters: Parameters,
        n_sequences: int | None,
        mean: Array,
        scale: Array,
        names: tuple[str, ...] | None = None,
        carry: Carry | None = None,
    ) -> State:
        """See ``Engine.initial_state``."""
        return begin(parameters, n_sequences, mean, scale, names, carry, self._buffers)

    def release(self) -> None:
        """See ``Engine.release``."""
        self._buffers.release()

    def _two_fit(self, kernel: Kernel, layout: Layout, lengths: list[int]) -> bool:
        """Whether a thread may keep what it keeps of two shards of such lengths.

        Under "auto" shorter ones may need more: those that keep all of their steps.
        """
        _, room = steps_kept(self._checkpoint_steps, kernel, layout, lengths)
        return 2 * room * layout.dtype.itemsize <= ENOUGH

    def _threads_for(self, n_tasks: int, batch: Batch, operations_a_step: int) -> int:
        """How many threads to compute with: one where there is little to do."""
        if n_tasks == 1 or operations_a_step * int(batch.lengths.sum()) < SMALL:
            return 1
        return self.n_threads


def kernel_for(parameters: Parameters, n_sequences: int) -> Kernel:
    """Choose what computes a batch of so many, of all processes."""
    architecture = parameters.architecture
    if architecture.bidirectional:
        return bidirectional
    return rows if are_few(n_sequences, architecture) else panels


def are_few(n_sequences: int, architecture: Architecture) -> bool:
    """Whether lanes are better filled with a network's units than with so many sequences.

    As measured: three in any network, and up to 16 where there is as much to compute for each.
    """
    if FEW < n_sequences <= SEVERAL:
        return n_recurrent_weights(architecture) >= 200 * n_sequences
    return n_sequences <= FEW


@lru_cache
def n_recurrent_weights(architecture: Architecture) -> int:
    """How many numbers all W have."""
    of_layers = [
        len(cell.gates_reading("h")) * n_units**2 for _, cell, n_units, _ in architecture.stack
    ]
    return sum(of_layers)


def side_by_side(
    tasks: list[tuple[int, int, int]], steps: list[int], n_threads: int, fits: dict[int, bool]
) -> list[tuple[int, int, int]]:
    """Make pairs of tasks, each a member, its first shard and how many shards, with one shard each.

    Two of as many steps take less time together, where two of so many fit. But each thread gets as
    many pairs as the others, and what takes longest is still begun first.
    """
    pairs = [
        (m, i)
        for m, i, _ in tasks
        if i % 2 == 0 and fits[steps[i]] and steps[i : i + 1] == steps[i + 1 : i + 2]
    ]
    kept = set(pairs[: len(pairs) // n_threads * n_threads])
    return [(m, i, 1 + ((m, i) in kept)) for m, i, _ in tasks if (m, i - 1) not in kept]


def steps_kept(
    given: str | int | None, kernel: Kernel, layout: Layout, lengths: list[int]
) -> tuple[int, int]:
    """Of how many steps states are kept at a time, and in which room; the longest length comes first.

    ``"auto"`` is all, as long as they need little memory, and else √T: then what is kept of the way
    forward, and of a segment, is about as much (Chen et al. 2016, section 4.1).
    """
    T = lengths[0]
    if given in ("auto", None):
        room = kernel.room_to_train(layout, lengths, T)
        if given is None or room * layout.dtype.itemsize <= ENOUGH:
            return T, room
        given = isqrt(T)
    segment = -(-int(given) // kernel.BLOCK) * kernel.BLOCK
    return segment, kernel.room_to_train(layout, lengths, segment)
