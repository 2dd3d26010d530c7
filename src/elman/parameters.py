"""What a network is made of: its architecture, and its parameters under the notes' letters.

Layer k has U_k (H, D), W_k (H, H) and b_k (H,); the output has V (K, H) and c (K,). Of a cell with
gates, U_k, W_k and b_k have H rows for each gate. Layers count from 1, lowest first, as in the notes'
first page. In both directions the forward ones keep their names, and the backward ones are U1_reverse,
W1_reverse and b1_reverse; what stands above reads both h, one below the other, (2 H,).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import prod
from numbers import Integral
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elman._memory import require_memory
from elman._typing import Array, IntArray
from elman.equations import CELLS, Cell, Layer, LayerGradients
from elman.equations.cells import decode_cell, encode_cell
from elman.equations.losses import Loss, as_loss, decode_loss, encode_loss
from elman.equations.naming import require_hashable
from elman.equations.readouts import READOUTS

logger = logging.getLogger("elman")

REFLECTIONS = 64  # that are applied together; the exactness of sums depends on it
ROWS = 128  # of a matrix that are cut together, while in the cache
LARGEST_HALF_ANGLE = 0.2  # its tangent, of a first rotation
LARGE = 4096  # units: from here on drawing W takes many seconds


class ParameterSpec(NamedTuple):
    """What a parameter is, so that nobody has to ask its name.

    Attributes
    ----------
    name : str
    shape : tuple of int
    layer : int or None
        Counted from 1; None for the output's.
    role : {"input", "recurrent", "output", "bias", "initial"}
        ``"input"`` is U, ``"recurrent"`` W, ``"output"`` V, ``"bias"`` b or c, and ``"initial"`` the
        states before the first step, where they are learned.
    gates : tuple of str
        The gates whose rows stand one under another; empty for the output's.
    """

    name: str
    shape: tuple[int, ...]
    layer: int | None
    role: str
    gates: tuple[str, ...] = ()

    @property
    def penalised(self) -> bool:
        """Whether alpha counts its squares: those of what multiplies."""
        return self.role in ("input", "recurrent", "output")


class LayerSpec(NamedTuple):
    """What a layer is.

    Attributes
    ----------
    key : str
        What its parameters' names end in: ``"1"``, or ``"1_reverse"``.
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
        D, the features of a step, or the tokens that a step may be.
    hidden : tuple of int
        H of each layer, lowest first.
    cells : tuple of str or Cell
        The cell of each layer: a name of ``equations.CELLS``, or a cell of one's own.
    n_outputs : int
        K, the classes, or the numbers that are predicted.
    bias : bool
        Whether there are b and c. The notes' recurrent pages leave them out.
    loss : str or Loss
        A name of ``equations.LOSSES``, or a loss of one's own.
    learn_initial_state : bool
        Whether each layer's states before the first step are parameters, ``initial1`` (n_states·H,)
        and so on, rather than zeros.
    bidirectional : bool
        Whether each layer has another one beside it that goes from the last step to the first.
    readout : str
        A name of ``equations.readouts.READOUTS``: V multiplies the last state, or the mean or maximum
        of all states.
    tokens : bool
        Whether a step is one token, a number 0 … D - 1 that says which column of U_1 is U_1 x_t, in
        place of an x_t of D features that is 1 at one place and 0 elsewhere.
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
        """Make one of what users give: a size for one layer, a cell for all, NumPy's integers."""
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
        """Make one of what ``settings`` gave to a model file.

        Raises
        ------
        ValueError
            If there is a setting that is not known here, or its parts do not fit together.
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
        """Its parts, plain enough for a model file."""
        settings = {
            field.name: value
            for field in fields(self)
            # as files are from before there was anything but the default
            if (value := getattr(self, field.name)) != field.default or field.name == "bias"
        }
        settings["cells"] = [encode_cell(cell) for cell in self.cells]
        if "loss" in settings:
            settings["loss"] = encode_loss(self.loss)
        return settings

    @cached_property
    def loss_function(self) -> Loss:
        """The loss itself, by whichever name it is known."""
        return as_loss(self.loss)

    @property
    def n_numbers(self) -> int:
        """How many numbers a target has: K, but for a loss of which several outputs answer one."""
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
        """How many numbers a step is: D, or 1 where it is a token."""
        return 1 if self.tokens else self.n_features

    @cached_property
    def n_parameters(self) -> int:
        """The length of the parameter vector."""
        return sum(map(prod, self.shapes.values()))

    @cached_property
    def layer_cells(self) -> tuple[Cell, ...]:
        """The cell of each layer, by whichever name it is known."""
        return tuple(CELLS[cell] if isinstance(cell, str) else cell for cell in self.cells)

    @cached_property
    def stack(self) -> tuple[LayerSpec, ...]:
        """What every layer is, lowest first, and of each level the forward one first."""
        layers = zip(self.hidden, self.layer_cells, strict=True)
        return tuple(
            LayerSpec(f"{k}{direction}", cell, H, direction != "")
            for k, (H, cell) in enumerate(layers, start=1)
            for direction in self.directions
        )

    @property
    def directions(self) -> tuple[str, ...]:
        """What stands behind the names of a layer's parameters, for each direction."""
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
        if isinstance(size, bool | np.bool_):  # some releases of NumPy take theirs for an index
            raise TypeError
        return index(size)
    except TypeError:
        raise ValueError(f"{name} must be an integer of at least 1; got {size!r}") from None


def _boolean(value: Any) -> Any:
    """Return NumPy's True and False as Python's, which a model file takes."""
    return bool(value) if isinstance(value, np.bool_) else value


class Parameters(Mapping[str, Array]):
    """All parameters of a network, or its gradients: one vector, and a view of it for each name.

    If you write into a view, you write into the vector, and the other way round. So an optimizer uses
    one array, and the equations use U, W, b, V and c.

    Attributes
    ----------
    architecture : Architecture
    vector : array (n_parameters,)
    """

    def __init__(self, architecture: Architecture, vector: Array) -> None:
        if len(vector) != architecture.n_parameters:
            raise ValueError(
                f"the vector has {len(vector)} entries; this network has {architecture.n_parameters}"
            )
        self.architecture = architecture
        self.vector = vector

    @classmethod
    def zeros(cls, architecture: Architecture, dtype: npt.DTypeLike) -> Parameters:
        """Make a set of parameters (or of sums of gradients) that are all zero."""
        return cls(architecture, np.zeros(architecture.n_parameters, dtype))

    @classmethod
    def of_gradients(
        cls,
        architecture: Architecture,
        of_layers: Sequence[LayerGradients],
        dV: Array,
        dc: Array,
    ) -> Parameters:
        """Put the gradients that ``equations.network`` computes under their parameters' names.

        What a network lacks is left out: W of a dense layer, b and c, initial states.

        Parameters
        ----------
        architecture : Architecture
        of_layers : list of LayerGradients, lowest layer first, as in ``layers``
        dV : array (K, H)
        dc : array (K,)

        Returns
        -------
        gradients : Parameters
            Of dV's dtype.
        """
        computed = {"V": dV, "c": dc}
        for spec, of_layer in zip(architecture.stack, of_layers, strict=True):
            computed |= {f"{name}{spec.key}": array for name, array in of_layer._asdict().items()}
        gradients = cls.zeros(architecture, dV.dtype)
        for name, gradient in gradients.items():
            gradient[...] = computed[name]
        return gradients

    def of_tokens(self, columns: IntArray, size: int | None = None) -> Parameters:
        """Make the network of tokens that knows some of them alone, in the order of ``columns``.

        Parameters
        ----------
        columns : array (n,)
            Of U_1.
        size : int, optional
            How many columns it has; behind the n they are zero.
        """
        size = len(columns) if size is None else size
        parameters = Parameters.zeros(
            replace(self.architecture, n_features=size), self.vector.dtype
        )
        for name, spec in self.architecture.specs.items():
            if spec.role == "input" and spec.layer == 1:
                parameters[name][:, : len(columns)] = self[name][:, columns]
            else:
                parameters[name][...] = self[name]
        return parameters

    def copy(self) -> Parameters:
        """Copy the vector."""
        return Parameters(self.architecture, self.vector.copy())

    def astype(self, dtype: npt.DTypeLike) -> Parameters:
        """Copy the vector to another dtype."""
        return Parameters(self.architecture, self.vector.astype(dtype))

    @property
    def layers(self) -> list[Layer]:
        """The parameters layer by layer, as the equations take them: of each level forward, reverse."""
        n_lowest = len(self.architecture.directions)
        return [
            Layer(
                cell,
                self[f"U{key}"],
                self.get(f"W{key}"),
                self.get(f"b{key}"),
                self.get(f"initial{key}"),
                reverse,
                tokens=k < n_lowest and self.architecture.tokens,
            )
            for k, (key, cell, _, reverse) in enumerate(self.architecture.stack)
        ]

    def gate(self, name: str, gate: str) -> Array:
        """The rows of U, W or b that belong to a gate, a view: ``parameters.gate("W1", "f")``.

        Raises
        ------
        KeyError
            If there is no such parameter, or it has no rows of that gate.
        """
        gates = self.architecture.specs[name].gates
        if gate not in gates:
            raise KeyError(f"{name} has rows of {', '.join(gates) or 'no gate'}; got {gate!r}")
        return np.split(self[name], len(gates))[gates.index(gate)]

    @cached_property
    def _views(self) -> dict[str, Array]:
        shapes = self.architecture.shapes
        ends = np.cumsum([prod(shape) for shape in shapes.values()])
        parts = np.split(self.vector, ends[:-1])
        return {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied or pickled one by one, the views would lose their vector.
        return Parameters, (self.architecture, self.vector)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {view.shape}" for name, view in self.items())
        return f"Parameters({shapes}; {self.vector.dtype})"


def initialize(
    architecture: Architecture, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32
) -> Parameters:
    """Draw a network's first parameters.

    U and V are uniform in ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, eq. 16), W is a random
    orthogonal matrix (Saxe et al. 2014, section 3), so that at first ‖W h‖ = ‖h‖ over any number of
    steps, and the biases are zero; all that gate by gate. Layers of ``relu`` take W = 1, the identity
    (Le, Jaitly and Hinton 2015), which neither shrinks nor rotates what a unit holds. A cell may ask
    for rotations instead (``Cell.first_recurrence``): units in pairs, each pair turned at a step by
    an angle of 0 to 0.4, small ones more often than large (as in Henaff et al. 2016 and Helfrich et
    al. 2018, whose angles are larger). A random orthogonal matrix turns by any angle, so that after
    some steps what units hold has lost its sign; slow rotations remember over hundreds of steps. The
    bias of an LSTM's forget gate is 1 (Jozefowicz et al. 2015), so that at first it holds what it has.

    Parameters
    ----------
    architecture : Architecture
    rng : numpy.random.Generator
        Numbers are drawn in float64, so that a seed means the same network in every dtype.
    dtype : dtype

    Returns
    -------
    Parameters of that dtype.

    Raises
    ------
    MemoryError
        If they need more memory than there is.
    """
    n_bytes = architecture.n_parameters * np.dtype(dtype).itemsize
    require_memory(n_bytes, f"a network of {architecture.n_parameters:,} parameters")
    parameters = Parameters.zeros(architecture, dtype)
    for name, spec in architecture.specs.items():
        cell = None if spec.layer is None else architecture.layer_cells[spec.layer - 1]
        blocks = np.split(parameters[name], len(spec.gates) or 1)  # gate by gate
        for gate, block in zip(spec.gates or ("",), blocks, strict=True):
            if spec.role in ("input", "output"):
                bound = np.sqrt(6 / sum(block.shape))
                block[...] = rng.uniform(-bound, bound, block.shape)
            elif spec.role == "recurrent":
                first_recurrence = "orthogonal" if cell is None else cell.first_recurrence
                block[...] = _FIRST_W[first_recurrence](len(block), rng)
            elif cell is not None:
                block[...] = cell.first_bias.get(gate, 0.0)
    return parameters


def _random_orthogonal(n: int, rng: np.random.Generator) -> Array:
    """Draw one uniformly, as a product of random Householder reflections (Stewart 1980, section 3).

    For a row x of n normal numbers and v = x ± ‖x‖ e₁, the first row of ∓(1 - 2 vᵀv / v vᵀ) is
    x / ‖x‖, which is uniform. The other rows are to be an orthogonal matrix of n - 1 columns times
    that reflection; it is drawn in the same way.

    ``REFLECTIONS`` are applied together (Joffrain et al. 2006), so that nearly all of the work is
    products of matrices. BLAS sums those in an order that depends on the processor and the number
    of threads. So their factors are cut into parts of so few bits that all sums are exact, in any
    order (Ozaki et al. 2012). To that end v is rounded to 22 bits, which turns a reflection by
    some 1e-6 and leaves it a reflection.
    """
    if n >= LARGE:
        logger.info("drawing an orthogonal matrix W of %d × %d; that takes a while …", n, n)
    Q = np.zeros((n, n))
    for first in reversed(range(0, n, REFLECTIONS)):
        block = Q[first:, first:]  # (m, m)
        m, k = len(block), min(REFLECTIONS, len(block))
        i = np.arange(k)

        V = rng.standard_normal((k, m))  # a row is a v, and begins with as many zeros as its number
        V[:, :k] *= i[:, None] <= i
        norms, signs = np.sqrt(np.square(V).sum(axis=1)), np.copysign(1.0, V[i, i])
        V[i, i] += signs * norms
        V *= 2.0**22 / np.sqrt(2 * norms * abs(V[i, i]))[:, None]
        V = np.rint(V) * 2.0**-22
        products = V @ V.T  # multiples of 2^-44, below 2
        block[i, i] = -signs

        # Z (k, m): how much of each v is subtracted from each row, the last v first. At first it is
        # V blockᵀ. Since v, a row and the parts of a row are no longer than about 1, no part of a
        # sum is either: multiples of 2^-52 below 2, and multiples of 2^-75 below √m 2^-31.
        Z = np.empty_like(V)
        Z[:, :k] = V[:, :k] * -signs  # the block begins with a diagonal
        for j in range(k, m, ROWS):
            high, low = _cut(block[j : j + ROWS, k:], 30, 53)
            Z[:, j : j + ROWS] = V[:, k:] @ high.T + V[:, k:] @ low.T
        scale = 2 / products.diagonal()[:, None]
        Z *= scale
        products *= scale
        for j in range(k - 1, 0, -1):
            Z[:j] -= products[:j, j, None] * Z[j]

        # |Z| ≤ 2 and |V| ≤ 1: multiples of 2^-46 up to 2^7, and multiples of 2^-72 up to 2^-19.
        high, low = _cut(Z, 24, 50)
        for j in range(0, m, ROWS):
            part = slice(j, j + ROWS)
            block[part] -= high[:, part].T @ V + low[:, part].T @ V
    return Q


def _cut(a: Array, bits: int, bits_of_rest: int) -> tuple[Array, Array]:
    """Cut numbers in two: a multiple of 2^-bits, and the rest, rounded to a multiple as well."""
    high = np.rint(a * 2.0**bits) * 2.0**-bits
    return high, np.rint((a - high) * 2.0**bits_of_rest) * 2.0**-bits_of_rest


def _identity(n: int, rng: np.random.Generator) -> Array:
    return np.eye(n)


def _random_rotations(n: int, rng: np.random.Generator) -> Array:
    """Draw rotations of pairs of units; of an odd number the last keeps what it has.

    Cosine and sine come from t = tan(angle / 2), by divisions, which are the same bits everywhere.
    """
    W = np.eye(n)
    first = np.arange(0, n - 1, 2)
    t = LARGEST_HALF_ANGLE * rng.uniform(0, 1, len(first)) ** 2
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    W[first, first] = W[first + 1, first + 1] = cos
    W[first, first + 1], W[first + 1, first] = -sin, sin
    return W


_FIRST_W = {
    "orthogonal": _random_orthogonal,
    "identity": _identity,
    "rotations": _random_rotations,
}
