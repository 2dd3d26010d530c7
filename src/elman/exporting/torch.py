"""PyTorch: a torch.nn.Module of the same weights, and back."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import numpy as np

from elman._files import read_file
from elman.errors import ElmanError
from elman.exporting.extras import require
from elman.exporting.portable import Portable
from elman.exporting.torch_names import joined_bias, layer_state, parameters_of
from elman.parameters import Architecture, Parameters
from elman.persistence import Model

_CELLS = {"GRU": "gru", "LSTM": "lstm"}
_SETTINGS = "elman"
_BUFFERS = ("mean", "scale", "level", "target_mean", "target_scale")


def _torch() -> Any:
    return require("torch", "torch", "exporting to PyTorch")


def to_torch(model: Portable) -> Any:
    """Make a ``torch.nn.Module`` that answers as the model does.

    Returns
    -------
    torch_module.Recurrent

    Raises
    ------
    ElmanError
        If torch is not installed, or a loss of the user's own cannot be written down.
    """
    torch = _torch()
    from elman.exporting.torch_module import Recurrent

    front_end = model.front_end
    settings = json.dumps(
        {"kind": model.model.kind, "settings": model.model.settings}, default=_plain
    )
    module = Recurrent(
        model.architecture,
        model.every_step,
        settings=settings,
        front_end=front_end if model.standardizes or not front_end.standardizes_alone else None,
        filling=model.filling,
        in_units_of_y=model.target_scale is not None,
    ).to(getattr(torch, str(model.dtype)))
    state: dict[str, Any] = {}
    parameters = model.parameters
    for k, (spec, layer) in enumerate(
        zip(model.architecture.stack, parameters.layers, strict=True)
    ):
        level, suffix = k // len(model.architecture.directions), "_reverse" * spec.reverse
        state |= {
            f"layers.{level}.{name}{suffix}": array
            for name, array in layer_state(spec.cell, layer.U, layer.W, layer.b).items()
        }
        if layer.initial is not None:
            state[f"initial.{spec.key}"] = layer.initial
    state["output.weight"] = parameters["V"]
    if "c" in parameters:
        state["output.bias"] = parameters["c"]
    for name in _BUFFERS:
        if name in module.state_dict():
            state[name] = getattr(model.front_end if name == "level" else model, name)
    module.load_state_dict(
        {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
    )
    return module.eval()


def _plain(value: Any) -> Any:
    return value.tolist()  # NumPy's numbers


def to_state_file(model: Portable) -> bytes:
    """Write the state of ``to_torch``'s module, for ``torch.load(…, weights_only=True)``.

    It has the weights under the names of torch.nn, and elman's settings as text under ``"elman"``.
    """
    torch = _torch()
    module, file = to_torch(model), io.BytesIO()
    # The settings come first, so that the file is recognised as elman's.
    torch.save({_SETTINGS: module.settings, **module.state_dict()}, file)
    return file.getvalue()


def from_torch(source: Any) -> Model:
    """Read back the result of ``to_torch`` or ``to_state_file``, with its present weights.

    Parameters
    ----------
    source : torch_module.Recurrent, or path of a file
        No code in a file is run.

    Returns
    -------
    Model
        The contents of an elman model file for it.

    Raises
    ------
    ElmanError
        If it is neither, or torch is not installed.
    OSError
        If there is no such file.
    """
    torch = _torch()
    if isinstance(source, str | os.PathLike):
        content = read_file(source, copies=2)
        try:
            state = dict(torch.load(io.BytesIO(content), weights_only=True))
            settings = state.pop(_SETTINGS)
        except Exception as error:  # noqa: BLE001 (torch's own are of many kinds)
            raise ElmanError(
                f"{os.fspath(source)} is no file that export() wrote for PyTorch: {error}"
            ) from None
    elif hasattr(source, "settings") and hasattr(source, "state_dict"):
        state, settings = source.state_dict(), source.settings
    else:
        raise ElmanError(
            f"got a {type(source).__name__}; expected the module of to_torch(), or the path of a .pt "
            "file of export(). Layers of torch.nn are read by Network.from_torch(rnn, linear)."
        )
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
    model = json.loads(settings)
    described = model["settings"].get("architecture", model["settings"])
    architecture = Architecture.from_settings(described)
    found = parameters_of(architecture, arrays)
    # An estimator's model has mean and scale even if they change nothing.
    D = architecture.n_inputs
    if model["kind"] != "Network":
        found["mean"] = arrays.get("mean", np.zeros(D, found["V"].dtype))
        found["scale"] = arrays.get("scale", np.ones(D, found["V"].dtype))
        found |= {"level": arrays["level"]} if "level" in arrays else {}
        if not architecture.loss_function.takes_classes:
            each, n = architecture.loss_function.outputs_a_number, architecture.n_numbers
            found["target_mean"] = arrays.get("target_mean", np.zeros(n * each))[::each]
            found["target_scale"] = arrays.get("target_scale", np.ones(n * each))[::each]
    return Model(model["kind"], model["settings"], found)


def from_layers(rnn: Any, linear: Any, loss: Any, readout: str) -> Parameters:
    """Make parameters from a ``torch.nn.RNN``, ``GRU`` or ``LSTM`` under a ``torch.nn.Linear``.

    Raises
    ------
    ElmanError
        If they are something else, or have what elman does not have (projections).
    """
    kind = type(rnn).__name__
    if kind not in ("RNN", *_CELLS) or type(linear).__name__ != "Linear":
        raise ElmanError(
            f"got a {kind} and a {type(linear).__name__}; expected a torch.nn.RNN, GRU or LSTM, and "
            "the torch.nn.Linear above it"
        )
    if getattr(rnn, "proj_size", 0):
        raise ElmanError("an LSTM with proj_size cannot be read; elman's cells have no projection")
    if rnn.bias != (linear.bias is not None):
        raise ElmanError(
            "one of the RNN and the Linear has a bias and the other has none; elman's networks have "
            "them everywhere or nowhere. Give the other a bias of zeros."
        )
    cell = rnn.nonlinearity if kind == "RNN" else _CELLS[kind]
    H, directions = rnn.hidden_size, 1 + rnn.bidirectional
    state = {key: tensor.detach().cpu().numpy() for key, tensor in rnn.state_dict().items()}
    V = linear.weight.detach().cpu().numpy()
    if V.shape[1] != H * directions:
        raise ElmanError(
            f"the Linear takes {V.shape[1]} features; the {kind} gives {H * directions}"
        )
    architecture = Architecture.of(
        rnn.input_size, [H] * rnn.num_layers, cell, len(V), bool(rnn.bias), loss,
        bidirectional=bool(rnn.bidirectional), readout=readout,
    )  # fmt: skip
    parameters = Parameters.zeros(architecture, V.dtype)
    parameters["V"][...] = V
    if rnn.bias:
        parameters["c"][...] = linear.bias.detach().cpu().numpy()
    for k, spec in enumerate(architecture.stack):
        key = f"l{k // directions}{'_reverse' * spec.reverse}"
        parameters[f"U{spec.key}"][...] = state[f"weight_ih_{key}"]
        parameters[f"W{spec.key}"][...] = state[f"weight_hh_{key}"]
        if rnn.bias:
            biases = state[f"bias_ih_{key}"], state[f"bias_hh_{key}"]
            parameters[f"b{spec.key}"][...] = joined_bias(spec.cell, *biases)
    return parameters
