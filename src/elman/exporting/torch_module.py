"""The module that ``to_torch`` returns: torch's own layers, and elman's equations for other cells.

Letters: T steps, B sequences, D features, H units, K outputs, G gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.data import FrontEnd
from elman.equations import Cell, functions
from elman.equations.cells import Relu
from elman.exporting.symbols import is_softmax
from elman.exporting.torch_front_end import filled, steps_of
from elman.exporting.torch_names import LAYERS
from elman.parameters import Architecture

if TYPE_CHECKING:
    from elman.reading.missing import Filling

functions.tanh.register(Tensor, torch.tanh)
functions.exp.register(Tensor, torch.exp)


@functions.fma.register
def _fma(a: Tensor, b: Any, c: Any) -> Any:
    return a * b + c


@functions.positive.register
def _positive(x: Tensor) -> Any:
    return x > 0


@functions.where.register
def _where(condition: Tensor, yes: Any, no: Any) -> Any:
    return torch.where(condition, yes, no)


class Cells(nn.Module):
    """A layer of a cell that torch.nn does not have, computed by the cell's own equations.

    Its parameters are U (G_x H, D), W (G_h H, H) and b (G H,), as in elman.
    """

    def __init__(self, cell: Cell, D: int, H: int, bias: bool, directions: tuple[str, ...]) -> None:
        super().__init__()
        self.cell, self.n_units, self.directions = cell, H, directions
        of_x, of_h = (len(cell.gates_reading(what)) for what in "xh")
        shapes = {"U": (of_x * H, D), "W": (of_h * H, H), "b": (len(cell.gates) * H,)}
        for name, shape in shapes.items():
            for direction in directions:
                there = (name != "W" or of_h) and (name != "b" or bias)
                parameter = nn.Parameter(torch.zeros(shape)) if there else None
                self.register_parameter(f"{name}{direction}", parameter)

    def forward(self, x: Tensor, before: list[tuple[Tensor, ...]], there: Tensor) -> Any:
        """All steps: h, (B, T, H) of each direction side by side, and its last."""
        found = [
            self._one(x, states, there, direction)
            for direction, states in zip(self.directions, before, strict=True)
        ]
        return torch.cat([h for h, _ in found], 2), torch.cat([last for _, last in found], 1)

    def _one(
        self, x: Tensor, states: tuple[Tensor, ...], there: Tensor, direction: str
    ) -> tuple[Tensor, Tensor]:
        cell, H, n_gates = self.cell, self.n_units, len(self.cell.gates)
        U, W, b = (getattr(self, f"{name}{direction}") for name in "UWb")
        from_x = functional.linear(x, U)
        biases = [0.0] * n_gates if b is None else b.split(H)
        of_x, of_h = cell.gates_reading("x"), cell.gates_reading("h")
        steps = range(x.shape[1])[::-1] if direction else range(x.shape[1])
        hs: list[Tensor] = [x] * x.shape[1]
        for t in steps:
            entering: list[Any] = list(biases)
            for g, part in zip(of_x, from_x[:, t].split(H, 1), strict=True):
                entering[g] = entering[g] + part
            if W is not None:
                for g, part in zip(of_h, functional.linear(states[0], W).split(H, 1), strict=True):
                    entering[g] = entering[g] + part
            after, _ = cell.forward(tuple(entering), states)
            alive = there[:, t, None]
            hs[t] = torch.where(alive, after[0], 0.0)
            states = tuple(torch.where(alive, *pair) for pair in zip(after, states, strict=True))
        return torch.stack(hs, 1), states[0]


class Recurrent(nn.Module):
    """elman's network as a module of torch.

    Parameters
    ----------
    architecture : Architecture
    every_step : bool
        Whether each step is answered, or a sequence once.
    settings : str
        What elman needs to read it back, as JSON.
    front_end : FrontEnd or None
        It is applied to x before the layers; None: x stays as it is.
    filling : Filling or None
        It fills NaN before the front end.
    in_units_of_y : bool
        Whether the answers are brought to the units of y.

    Attributes
    ----------
    layers : ModuleList
        ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` of one layer each, or ``Cells``; lowest first.
    initial : ParameterDict
        The states before the first step, if they are learned.
    output : nn.Linear
        V and c.
    """

    def __init__(
        self,
        architecture: Architecture,
        every_step: bool,
        *,
        settings: str,
        front_end: FrontEnd | None,
        filling: Filling | None,
        in_units_of_y: bool,
    ) -> None:
        super().__init__()
        self.architecture, self.every_step, self.settings = architecture, every_step, settings
        D, K, directions = (
            architecture.n_features,
            architecture.n_outputs,
            architecture.directions,
        )
        self.filling = filling
        if filling is not None:  # elman's settings have it, too
            fill = torch.tensor(filling.means, dtype=torch.float64)
            self.register_buffer("fill", fill, persistent=False)
        self.has_front_end, self.in_float64 = front_end is not None, list[str]()
        if front_end is not None:
            self.differences, self.frame = front_end.differences, front_end.frame
            self.register_buffer("mean", torch.zeros(front_end.n_features))
            self.register_buffer("scale", torch.ones(front_end.n_features))
            level = None
            if front_end.level is not None:
                level = torch.zeros(front_end.n_features, dtype=torch.float64)
                self.in_float64.append("level")
            self.register_buffer("level", level)
        self.layers, self.initial = nn.ModuleList(), nn.ParameterDict()
        for H, cell in zip(architecture.hidden, architecture.layer_cells, strict=True):
            self.layers.append(_layer(cell, D, H, architecture.bias, directions))
            D = H * len(directions)
        if architecture.learn_initial_state:
            for key, cell, H, _ in architecture.stack:
                self.initial[key] = nn.Parameter(torch.zeros(len(cell.states) * H))
        self.output = nn.Linear(D, K, bias=architecture.bias)
        self.in_units_of_y = in_units_of_y
        if in_units_of_y:  # in float64, whatever the network's dtype
            self.register_buffer("target_mean", torch.zeros(K, dtype=torch.float64))
            self.register_buffer("target_scale", torch.ones(K, dtype=torch.float64))
            self.in_float64 += ["target_mean", "target_scale"]

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Keep levels and the units of y in float64, whatever the network is converted to."""
        super()._apply(fn, recurse)
        for name in self.in_float64:
            setattr(self, name, getattr(self, name).double())
        return self

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Answer: ``probabilities`` of classes, or predictions in the units of y.

        Parameters
        ----------
        x : tensor (B, T, D), or (B, T, 1) of the numbers of tokens
        lengths : B integers, optional
            The steps of each sequence; all have T if left out. Values past a sequence's end do not
            matter.

        Returns
        -------
        tensor (B, K)
            (B, T, K) where each step is answered: zeros past a sequence's end.
        """
        z, loss = self.logits(x, lengths), self.architecture.loss_function
        y = torch.softmax(z, -1) if is_softmax(loss) else loss.activate(z)
        if self.in_units_of_y:
            y = y.double() * self.target_scale + self.target_mean
        return torch.where(self._there(x, lengths)[:, :, None], y, 0.0) if self.every_step else y

    def logits(self, x: Tensor, lengths: Any = None) -> Tensor:
        """V r + c, for a loss such as ``nn.CrossEntropyLoss``; as ``forward`` otherwise."""
        there = self._there(x, lengths)
        x = torch.where(there[:, :, None], x, 0.0)  # NaN past the end would spread
        if self.filling is not None:
            forward = self.filling.policy == "forward"
            x = filled(x, self.fill, forward, self.filling.indicated)
        if self.has_front_end:
            x, there = steps_of(
                x, there, self.mean, self.scale, self.level, self.differences, self.frame
            )
        if self.architecture.tokens:
            x = nn.functional.one_hot(x[:, :, 0].long(), self.architecture.n_features).to(x.dtype)
        stack = iter(self.architecture.stack)
        for layer in self.layers:
            specs = [next(stack) for _ in self.architecture.directions]
            before = [self._initial(spec, x) for spec in specs]
            x, last = _run(layer, x, before, there, lengths is not None)
        if self.every_step:
            return self.output(x)
        match self.architecture.readout:
            case "last":
                read = last
            case "mean":
                n = there.sum(1, keepdim=True).to(x.dtype)
                read = torch.where(there[:, :, None], x, 0.0).sum(1) / n
            case _:
                read = torch.where(there[:, :, None], x, -torch.inf).amax(1)
        return self.output(read)

    def _there(self, x: Tensor, lengths: Any) -> Tensor:
        """Which steps exist, (B, T)."""
        T = x.shape[1]
        if lengths is None:
            return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        n = torch.as_tensor(np.asarray(lengths) if not isinstance(lengths, Tensor) else lengths)
        if n.shape != x.shape[:1] or n.min() < 1 or n.max() > T:
            raise ValueError(
                f"lengths must be {len(x)} integers from 1 to {T}, the steps of each sequence of x; "
                f"got {n.tolist()}"
            )
        return torch.arange(T, device=x.device) < n.to(x.device)[:, None]

    def _initial(self, spec: Any, x: Tensor) -> tuple[Tensor, ...]:
        """The states before a layer's first step, (B, H) each."""
        shape = (len(x), spec.n_units)
        if spec.key not in self.initial:
            return tuple(x.new_zeros(shape) for _ in spec.cell.states)
        return tuple(part.expand(shape) for part in self.initial[spec.key].split(spec.n_units))


def _layer(cell: Cell, D: int, H: int, bias: bool, directions: tuple[str, ...]) -> nn.Module:
    if type(cell) not in LAYERS:
        return Cells(cell, D, H, bias, directions)
    options: dict[str, Any] = {"nonlinearity": "relu"} if isinstance(cell, Relu) else {}
    kind = getattr(nn, LAYERS[type(cell)])
    layer: nn.Module = kind(
        D, H, bias=bias, batch_first=True, bidirectional=len(directions) == 2, **options
    )
    return layer


def _run(
    layer: nn.Module, x: Tensor, before: list[tuple[Tensor, ...]], there: Tensor, ragged: bool
) -> tuple[Tensor, Tensor]:
    """Go through a layer: h (B, T, ·), and the last h of each direction side by side (B, ·)."""
    if isinstance(layer, Cells):
        h, last = layer(x, before, there)
        return h, last
    states = tuple(torch.stack(of).contiguous() for of in zip(*before, strict=True))
    initial = states if isinstance(layer, nn.LSTM) else states[0]
    if ragged:
        n = there.sum(1).cpu()
        packed, after = layer(
            pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False), initial
        )
        h, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    else:
        h, after = layer(x, initial)
    last = after[0] if isinstance(layer, nn.LSTM) else after
    return h, torch.cat(list(last), 1)
