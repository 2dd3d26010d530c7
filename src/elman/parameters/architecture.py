"""The architecture of a network: its layers, and the name, shape and role of each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from numbers import Integral
from operator import index
from typing import Any, NamedTuple

import numpy as np

from elman.equations import CELLS, Cell
from elman.equations.cells import decode_cell, encode_cell
from elman.equations.losses import Loss, as_loss, decode_loss, encode_loss
from elman.equations.naming import require_hashable
from elman.equations.readouts import READOUTS


class ParameterSpec(NamedTuple):
    """What a parameter is, so that no code has to derive it from the name.

    Attributes
    ----------
    name : str
    shape : tuple of int
    layer : int or None
        Counted from 1; None for parameters of the output.
    role : {"input", "recurrent", "output", "bias", "initial"}
        ``"input"`` is U, ``"recurrent"`` W, ``"output"`` V, ``"bias"`` b or c, and ``"initial"`` the
        states before the first step, if these are learned.
    gates : tuple of str
        The gates whose rows stand one under another; empty for parameters of the output.
    """

    name: str
    shape: tuple[int, ...]
    layer: int | None
    role: str
    gates: tuple[str, ...] = ()

    @property
    def penalised(self) -> bool:
        """Whether the penalty alpha counts it: U, W and V, the matrices that multiply."""
        return self.role in ("input", "recurrent", "output")


class LayerSpec(NamedTuple):
    """What a layer is.

    Attributes
    ----------
    key : str
        What the names of its parameters end with: ``"1"``, or ``"1_reverse"``.
    cell : Cell
    n_units : int
        H.
    reverse : bool
        Whether it goes from the last step to the first.
    """

    key: str
    cell: Cell
    n_units: int
    reverse: bool


@dataclass(frozen=True)
class Architecture:
    """The shape of a network.

    Attributes
    ----------
    n_features : int
        D, the number of features of a step, or of different tokens.
    hidden : tuple of int
        H of each layer, lowest first.
    cells : tuple of str or Cell
        The cell of each layer: a name of ``equations.CELLS``, or a cell of the user's own.
    n_outputs : int
        K, the classes, or the numbers that are predicted.
    bias : bool
        Whether the network has b and c. The notes' recurrent pages leave them out.
    loss : str or Loss
        A name of ``equations.LOSSES``, or a loss of the user's own.
    learn_initial_state : bool
        Whether each layer's states before the first step are parameters, ``initial1`` (n_states·H,)
        and so on, rather than zeros.
    bidirectional : bool
        Whether beside each layer there is another one, which goes from the last step to the first.
    readout : str
        A name of ``equations.readouts.READOUTS``: V multiplies the last state, or the mean or maximum
        of all states.
    tokens : bool
        Whether a step is one token, a number 0 … D - 1, in place of a one-hot x_t of D features. U_1
        x_t is then the column of U_1 with this number.
    """

    n_features: int
    hidden: tuple[int, ...]
    cells: tuple[str | Cell, ...]
    n_outputs: int
    bias: bool = True
    loss: str | Loss = "cross_entropy"
    learn_initial_state: bool = False
    bidirectional: bool = False
    readout: str = "last"
    tokens: bool = False

    @classmethod
    def of(
        cls,
        n_features: int,
        hidden: int | Sequence[int],
        cell: str | Cell | Sequence[str | Cell],
        n_outputs: int,
        bias: bool,
        loss: str | Loss = "cross_entropy",
        learn_initial_state: bool = False,
        bidirectional: bool = False,
        readout: str = "last",
        tokens: bool = False,
    ) -> Architecture:
        """Make one from a user's arguments: a size for one layer, a cell for all, NumPy's integers."""
        sizes = tuple(
            _integer("every size of hidden", size)
            for size in (hidden if np.iterable(hidden) else [hidden])
        )
        cells: Any = cell
        one_for_all = isinstance(cells, str) or not np.iterable(cells)
        return cls(
            _integer("n_features", n_features),
            sizes,
            (cells,) * len(sizes) if one_for_all else tuple(cells),
            _integer("n_outputs", n_outputs),
            _boolean(bias),
            loss,
            _boolean(learn_initial_state),
            _boolean(bidirectional),
            readout,
            _boolean(tokens),
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Architecture:
        """Make one from the ``settings`` in a model file.

        Raises
        ------
        ValueError
            If a setting is unknown, or the settings do not fit together.
        """
        if unknown := set(settings) - {field.name for field in fields(cls)}:
            raise ValueError(
                f"a network with {', '.join(sorted(unknown))}, which this elman does not know"
            )
        return cls(
            settings["n_features"],
            tuple(settings["hidden"]),
            tuple(decode_cell(cell) for cell in settings["cells"]),
            settings["n_outputs"],
            settings["bias"],
            decode_loss(settings.get("loss", "cross_entropy")),
            settings.get("learn_initial_state", False),
            settings.get("bidirectional", False),
            settings.get("readout", "last"),
            settings.get("tokens", False),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, in plain types for a model file."""
        settings = {
            field.name: value
            for field in fields(self)
            # as in files that were written before this was a setting
            if (value := getattr(self, field.name)) != field.default or field.name == "bias"
        }
        settings["cells"] = [encode_cell(cell) for cell in self.cells]
        if "loss" in settings:
            settings["loss"] = encode_loss(self.loss)
        return settings

    def unlike(self, other: Architecture) -> str:
        """Say in which parts it is not like another: ``hidden=(4,), not (3,)``."""
        parts = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return "; ".join(f"{name}={a!r}, not {b!r}" for name, a, b in parts if a != b)

    @cached_property
    def loss_function(self) -> Loss:
        """The loss as an object, also if ``loss`` is a name."""
        return as_loss(self.loss)

    @property
    def n_numbers(self) -> int:
        """How many numbers a target has: K, or fewer if a loss has several outputs for each."""
        return self.n_outputs // self.loss_function.outputs_a_number

    def __post_init__(self) -> None:
        sizes: tuple[Any, ...] = (self.n_features, *self.hidden, self.n_outputs)
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
                raise ValueError(f"every size must be an integer of at least 1; got {size!r}")
        if not self.hidden:
            raise ValueError("there must be at least one hidden layer; got none")
        if len(self.cells) != len(self.hidden):
            n = len(self.hidden)
            raise ValueError(
                f"{len(self.cells)} cells for {n} layer{'s' * (n != 1)}; expected one for all, or one "
                "for each"
            )
        for cell in self.cells:
            if not isinstance(cell, Cell) and (not isinstance(cell, str) or cell not in CELLS):
                raise ValueError(
                    f"cell must be one of {', '.join(CELLS)}, or an instance of a subclass of "
                    f"elman.Cell; got {cell!r}"
                )
            require_hashable(cell)
        for name in ("bias", "learn_initial_state", "bidirectional", "tokens"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
        if not isinstance(self.readout, str) or self.readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}; got {self.readout!r}")
        each = self.loss_function.outputs_a_number
        if self.n_outputs % each:
            raise ValueError(
                f"n_outputs must be a multiple of {each}, the outputs of {self.loss!r} for each "
                f"number; got {self.n_outputs}"
            )

    @property
    def n_inputs(self) -> int:
        """The number of values of a step: D, or 1 if it is a token."""
        return 1 if self.tokens else self.n_features

    @cached_property
    def n_parameters(self) -> int:
        """The length of the parameter vector."""
        return sum(map(prod, self.shapes.values()))

    @cached_property
    def layer_cells(self) -> tuple[Cell, ...]:
        """The cell of each layer as an object, also if ``cells`` has its name."""
        return tuple(CELLS[cell] if isinstance(cell, str) else cell for cell in self.cells)

    @cached_property
    def stack(self) -> tuple[LayerSpec, ...]:
        """What every layer is, lowest first; on each level the forward one first."""
        layers = zip(self.hidden, self.layer_cells, strict=True)
        return tuple(
            LayerSpec(f"{k}{direction}", cell, H, direction != "")
            for k, (H, cell) in enumerate(layers, start=1)
            for direction in self.directions
        )

    @property
    def directions(self) -> tuple[str, ...]:
        """What is added to the names of a layer's parameters, for each direction."""
        return ("", "_reverse")[: 1 + self.bidirectional]

    @cached_property
    def specs(self) -> dict[str, ParameterSpec]:
        """What every parameter is, by name, in the order of the parameter vector."""
        specs = []
        n_inputs = self.n_features
        for k, (H, cell) in enumerate(zip(self.hidden, self.layer_cells, strict=True), start=1):
            of_x, of_h = (tuple(cell.gates[g] for g in cell.gates_reading(what)) for what in "xh")
            shapes = {
                "U": ((len(of_x) * H, n_inputs), "input", of_x),
                "W": ((len(of_h) * H, H), "recurrent", of_h),
                "b": ((len(cell.gates) * H,), "bias", cell.gates),
                "initial": ((len(cell.states) * H,), "initial", ()),
            }
            if not of_h:
                del shapes["W"]
            if not self.bias:
                del shapes["b"]
            if not self.learn_initial_state:
                del shapes["initial"]
            for direction in self.directions:
                for name, (shape, role, gates) in shapes.items():
                    specs.append(ParameterSpec(f"{name}{k}{direction}", shape, k, role, gates))
            n_inputs = H * len(self.directions)
        specs.append(ParameterSpec("V", (self.n_outputs, n_inputs), None, "output"))
        if self.bias:
            specs.append(ParameterSpec("c", (self.n_outputs,), None, "bias"))
        return {spec.name: spec for spec in specs}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter, by name, in the order of the parameter vector."""
        return {name: spec.shape for name, spec in self.specs.items()}


def _integer(name: str, size: Any) -> int:
    """Return a size as Python's integer, which a model file takes."""
    try:
        if isinstance(size, bool | np.bool_):  # some releases of NumPy take np.True_ for an index
            raise TypeError
        return index(size)
    except TypeError:
        raise ValueError(f"{name} must be an integer of at least 1; got {size!r}") from None


def _boolean(value: Any) -> Any:
    """Return NumPy's True and False as Python's, which a model file takes."""
    return bool(value) if isinstance(value, np.bool_) else value
