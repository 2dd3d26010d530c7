"""The front end: it turns the user's sequences into the input of the network.

It is measured once, on the sequences of the first ``fit``, and then stays the same. In this order:

1. x̃ = (x - mean) / scale, with the mean and the deviation of the training data.
2. By sequence, if wanted: z = (x - mean of this sequence) / (deviation of this sequence) beside x̃, and
   its level l = log(deviation of this sequence / scale + 10⁻⁶), minus the level's training mean.
3. Differences, if wanted: Δ_t = z_t - z_{t-1} (of x̃ if there is no z), Δ_1 = 0.
4. Frames, if wanted: every `stride` samples, `length` successive samples of [x̃, z, Δ] become one step
   of the network. The level is in each step once.

T samples and D features of a sequence; F numbers a sample in [x̃, z, Δ]; T' steps of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from elman._memory import require_memory
from elman._typing import Array, IntArray
from elman.data.frame import Frame
from elman.data.sequences import Sequences
from elman.data.standardizing import standardization, standardized
from elman.data.totals import BLOCK, Readers
from elman.errors import DataError

CONSTANT = 1e-6
"""A sequence whose deviation is at most this share of its mean's size is constant: z = 0."""

LARGE = 1 << 24
"""From so many bytes on, free memory is checked first, which takes longer than a short sequence."""

FLOOR = 1e-6
"""Keeps the level of a constant sequence finite."""


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """Turns the user's sequences into the network's.

    Attributes
    ----------
    mean, scale : arrays (D,)
        They standardise a sample; 0 and 1 if it stays as it is.
    level : array (D,), float64, or None
        The mean level of the training sequences; None if sequences are not standardised by themselves.
    differences : bool
        Whether there are differences.
    frame : Frame or None
        What makes a step; None: each sample is a step.
    """

    mean: Array
    scale: Array
    level: Array | None = None
    differences: bool = False
    frame: Frame | None = None

    @classmethod
    def measured(
        cls,
        sequences: Sequences,
        step_weights: Array | None,
        *,
        standardize: bool | str = True,
        differences: bool = False,
        frame: Frame | None = None,
        readers: Readers | None = None,
    ) -> FrontEnd:
        """Measure the training sequences, which stay as they are.

        Parameters
        ----------
        sequences : Sequences
        step_weights : array (n_steps_in_all,), or None
            0 … 1; a sequence's weight, for the mean level, is the mean of its steps'. None: all 1.
        standardize : bool or "sequence"
        differences : bool
        frame : Frame, optional
        readers : Readers, optional
            The processes that go through the sequences together.
        """
        D, dtype = sequences.n_features, sequences.values.dtype
        mean, scale, level = np.zeros(D, dtype), np.ones(D, dtype), None
        if standardize:
            mean, scale = standardization(sequences, step_weights, readers)
        if standardize == "sequence":
            if step_weights is None:
                weights = np.ones(len(sequences))
            else:
                weights = np.add.reduceat(step_weights, sequences.offsets[:-1], dtype=np.float64)
                weights /= sequences.lengths
            levels = _by_itself(sequences, scale, None, readers)
            level = np.asarray((levels * weights[:, None]).sum(axis=0) / weights.sum())
        return cls(mean, scale, level, bool(differences), frame)

    @classmethod
    def of_tokens(cls, dtype: npt.DTypeLike) -> FrontEnd:
        """Make the front end of tokens, one in each step, which the network takes as they are."""
        return cls(np.zeros(1, dtype), np.ones(1, dtype))

    @property
    def standardizes_alone(self) -> bool:
        """Whether x̃ is all there is."""
        return self.level is None and not self.differences and self.frame is None

    @property
    def changes_nothing(self) -> bool:
        """Whether the network takes sequences as they are."""
        return self.standardizes_alone and not self.mean.any() and bool((self.scale == 1).all())

    @property
    def n_features(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def n_numbers(self) -> int:
        """F."""
        return self.n_features * (1 + (self.level is not None) + self.differences)

    @property
    def n_inputs(self) -> int:
        """The network's features at each of its steps: F times the frame's length, and levels."""
        n_samples = 1 if self.frame is None else self.frame.length
        return n_samples * self.n_numbers + (0 if self.level is None else self.n_features)

    def feature_names(self, names: Sequence[str] | None = None) -> list[str]:
        """Name the network's features: ``"temp[-3]"``, ``"z temp"``, ``"Δ temp"``, ``"level temp"``.

        Parameters
        ----------
        names : D str, optional
            The names of a sample's features; x0, x1 … if left out.
        """
        given = numbered(self.n_features) if names is None else list(names)
        blocks = ["{}"] + ["z {}"] * (self.level is not None) + ["Δ {}"] * self.differences
        found = [block.format(name) for block in blocks for name in given]
        if self.frame is not None:
            before = range(1 - self.frame.length, 1)  # 0 is the frame's last
            found = [f"{name}[{k}]" for k in before for name in found]
        return found + ([] if self.level is None else [f"level {name}" for name in given])

    def apply(self, sequences: Sequences) -> Sequences:
        """Turn sequences, in the network's dtype, into what it takes.

        The result of a sequence does not depend on the others. If only x̃ is computed, this is done in
        place if ``sequences`` has a copy of its own; otherwise [x̃, z, Δ] is a copy. Frames take
        length / stride times the memory of [x̃, z, Δ] in addition.

        Raises
        ------
        DataError
            If a number overflows.
        MemoryError
            If the result needs more memory than there is.
        """
        sequences = sequences.loaded()
        if self.standardizes_alone:
            return standardized(sequences, self.mean, self.scale)
        D, F, width = self.n_features, self.n_numbers, self.n_inputs
        n, dtype = len(sequences.values), sequences.values.dtype
        n_steps = int(self.lengths(sequences.lengths).sum())
        n_taken = n_steps * width + (n * F if self.frame is not None and D < F else 0)
        if n_taken * dtype.itemsize > LARGE:
            require_memory(n_taken * dtype.itemsize, f"{n_steps:,} steps of {width:,} features")

        levels = None
        if F == D:  # so there must be frames
            samples = standardized(sequences, self.mean, self.scale).values
        else:
            samples = np.empty((n, width if self.frame is None else F), dtype)
            if self.level is not None:
                levels = _by_itself(sequences, self.scale, samples[:, D : 2 * D])
                levels = (levels - self.level).astype(dtype)
            standardized(sequences, self.mean, self.scale, samples[:, :D])
            if self.differences:
                _differences(samples[:, F - 2 * D : F], sequences)
        if self.frame is not None:
            return self._framed(self.frame, samples, sequences, levels)
        if levels is not None:
            for some, rows in sequences.blocks():
                samples[rows, F:] = np.repeat(levels[some], sequences.lengths[some], axis=0)
        return replace(sequences, values=samples, names=None)

    def lengths(self, lengths: IntArray) -> IntArray:
        """T' of sequences with T samples."""
        return lengths if self.frame is None else self.frame.steps(lengths)

    def _framed(
        self, frame: Frame, samples: Array, sequences: Sequences, levels: Array | None
    ) -> Sequences:
        """Put the samples of each frame side by side: (n_samples_in_all, F) to (n_steps, width)."""
        offsets = np.concatenate([[0], np.cumsum(frame.steps(sequences.lengths))])
        first, last = sequences.offsets[:-1], sequences.offsets[1:] - 1
        F, n_framed = self.n_numbers, frame.length * self.n_numbers
        values = np.empty((int(offsets[-1]), self.n_inputs), samples.dtype)
        # The numbers of a frame are contiguous in the samples: a window of them.
        windows = None
        if n_framed <= samples.size:
            windows = sliding_window_view(samples.reshape(-1), n_framed)[::F]
        n_rows = -(-BLOCK // n_framed)
        for start in range(0, len(values), n_rows):
            part = values[start : start + n_rows]
            steps = np.arange(start, start + len(part))
            of = np.searchsorted(offsets, steps, side="right") - 1  # the step's sequence
            begins = first[of] + frame.first_samples(steps - offsets[of])
            whole = (begins >= first[of]) & (begins + frame.length - 1 <= last[of])
            if windows is not None:
                part[whole, :n_framed] = windows[begins[whole]]
            cut = np.flatnonzero(~whole)  # there the first or last sample is repeated
            rows = begins[cut, None] + np.arange(frame.length)
            rows = np.clip(rows, first[of[cut], None], last[of[cut], None])
            part[cut, :n_framed] = samples[rows].reshape(len(cut), n_framed)
            if levels is not None:
                part[:, n_framed:] = levels[of]
        return replace(sequences, values=values, offsets=offsets, names=None)

    def sample(self, x: Array, before: Array | None) -> Array:
        """Make [x̃, Δ] of one step of sequences side by side, as they come in.

        Parameters
        ----------
        x : array (n, D)
            Standardised.
        before : array (n, F) or None
            What this returned for the step before.

        Raises
        ------
        DataError
            If a difference overflows.
        """
        if not self.differences:
            return x
        with np.errstate(over="ignore"):  # reported
            delta = np.zeros_like(x) if before is None else x - before[:, : x.shape[1]]
        if not np.isfinite(delta).all():
            raise _too_far_apart("x_t and the step before", x.dtype)
        return np.concatenate([x, delta], axis=1)

    @property
    def settings(self) -> dict[str, Any]:
        """What a model file holds of it, beside ``arrays``."""
        return {
            "differences": self.differences,
            "frame": None if self.frame is None else list(self.frame[:2]),
            "aligned": self.frame is not None and self.frame.aligned,
        }

    @property
    def arrays(self) -> dict[str, Array]:
        """What a model file holds of it, beside ``settings``."""
        of_level = {} if self.level is None else {"level": self.level}
        return {"mean": self.mean, "scale": self.scale, **of_level}

    @classmethod
    def from_model(
        cls, settings: Mapping[str, Any] | None, arrays: Mapping[str, Array]
    ) -> FrontEnd:
        """Make it again; older model files have no settings of a front end."""
        if settings is None:
            return cls(arrays["mean"], arrays["scale"])
        frame = settings["frame"]
        if frame is not None:
            length, stride = frame
            frame = Frame(length, stride, settings["aligned"])
        level = arrays.get("level")
        return cls(arrays["mean"], arrays["scale"], level, settings["differences"], frame)

    def check(self) -> None:
        """Raise a ValueError for values that would give wrong answers, or none."""
        mean, scale, level = self.mean, self.scale, self.level
        if (
            mean.ndim != 1
            or scale.shape != mean.shape
            or {mean.dtype.kind, scale.dtype.kind} != {"f"}
        ):
            raise ValueError(
                f"mean_ and scale_ are {mean.dtype} {mean.shape} and {scale.dtype} {scale.shape}; "
                "expected numbers, one for each feature of a step"
            )
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("mean_ and scale_ must be finite, and each scale greater than 0")
        if level is not None and (
            level.shape != mean.shape or level.dtype != np.float64 or not np.isfinite(level).all()
        ):
            raise ValueError(
                f"level is {level.dtype} {level.shape}; expected finite float64 {mean.shape}"
            )
        if not isinstance(self.differences, bool):
            raise ValueError(f"differences must be True or False; got {self.differences!r}")
        if self.frame is not None:
            self.frame.check()


def numbered(n: int) -> list[str]:
    """Name features that have no names: x0, x1 …."""
    return [f"x{i}" for i in range(n)]


def _by_itself(
    sequences: Sequences, scale: Array, z: Array | None, readers: Readers | None = None
) -> Array:
    """Standardise each sequence by itself, in float64.

    Parameters
    ----------
    sequences : Sequences
    scale : array (D,)
    z : array (n_steps_in_all, D), or None
        Where to write (x - mean) / deviation; 0 where a sequence is constant.
    readers : Readers, optional
        The processes that do it together, without z.

    Returns
    -------
    array (n_sequences, D), float64
        log(deviation / scale + 10⁻⁶) of each sequence and feature.
    """
    levels = np.empty((len(sequences), sequences.n_features))
    for some, rows in sequences.blocks_to_fill(levels, readers):
        lengths = sequences.lengths[some]
        starts = np.cumsum(lengths) - lengths
        x = sequences.values[rows].astype(np.float64)  # (n, D), a copy

        # Squares of huge or tiny values would overflow or vanish: scale by a power of two, which is
        # exact.
        _, exponents = np.frexp(np.maximum.reduceat(np.abs(x), starts, axis=0))
        factors = np.ldexp(1.0, -np.clip(exponents, -1000, 1024))  # (sequences, D)
        x *= np.repeat(factors, lengths, axis=0)
        mean = np.add.reduceat(x, starts, axis=0) / lengths[:, None]
        x -= np.repeat(mean, lengths, axis=0)
        variance = np.add.reduceat(np.square(x), starts, axis=0) / lengths[:, None]
        # Rounding errors in a constant are no variation, as in ``standardization``.
        rounding = lengths[:, None] * np.finfo(np.float64).eps * np.abs(mean)
        deviation = np.where(variance <= np.square(rounding), 0.0, np.sqrt(variance))
        with np.errstate(over="ignore"):  # then x̃ is refused
            levels[some] = log(np.minimum(deviation / factors / scale, 1e300) + FLOOR)
        if z is not None:
            constant = deviation <= CONSTANT * np.abs(mean)
            divisor = np.where(constant, np.inf, deviation)
            z[rows] = x / np.repeat(divisor, lengths, axis=0)
    return levels


def _differences(blocks: Array, sequences: Sequences) -> None:
    """Write the differences of the first half of the columns into the second, 0 at each beginning."""
    of, differences = np.split(blocks, 2, axis=1)
    with np.errstate(over="ignore"):  # reported
        np.subtract(of[1:], of[:-1], out=differences[1:])
    differences[sequences.offsets[:-1]] = 0
    finite = np.isfinite(differences).all(axis=1)
    if not finite.all():
        place = sequences.locate(int(finite.argmin()))
        raise _too_far_apart(f"{place} of X and the step before", blocks.dtype)


def _too_far_apart(what: str, dtype: np.dtype[Any]) -> DataError:
    return DataError(
        f"{what} are too far apart: their difference overflows {dtype}. Correct the value, or fit "
        "anew, on data of that size or with differences=False."
    )


def log(x: Array) -> Array:
    """Log x for x > 0 by its series. The last digit of C's and NumPy's log depends on the processor.

    log(2ᵉ m) = e log 2 + 2 artanh((m - 1) / (m + 1)), with √½ ≤ m < √2.
    """
    m, e = np.frexp(x)
    small = m < np.sqrt(0.5)
    m, e = np.where(small, 2 * m, m), e - small
    s = (m - 1) / (m + 1)  # at most 0.172: s²⁴ is below 10⁻¹⁸
    series, square = np.zeros_like(s), s * s
    for n in range(23, 0, -2):
        series = series * square + 1 / n
    return np.asarray(e * np.log(2.0) + 2 * s * series)
