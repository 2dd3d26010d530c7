"""Making an explanation: forward, backward, the step of N4, and the proofs."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from elman._memory import require_memory
from elman._typing import Array
from elman.data import Sequences
from elman.equations import descend
from elman.equations.readouts import READOUTS
from elman.errors import DataError
from elman.estimators import RNNClassifier
from elman.explanation import terms
from elman.explanation.arrays import name_of
from elman.explanation.numbers import Numbers
from elman.explanation.one_thread import one_thread
from elman.explanation.passes import Passes, forward_with_answers
from elman.explanation.proof import central_differences, check_backward, check_terms, check_totals
from elman.explanation.subject import subject
from elman.explanation.turned import turned
from elman.explanation.wanted import Wanted
from elman.parameters import Parameters
from elman.training.optimizers import clip_norm

DEFAULT_LEARNING_RATE = 0.01


@one_thread
def compute(
    model: Any,
    x: Any,
    y: Any,
    *,
    layer: int = 1,
    reverse: bool = False,
    offset: Array | None = None,
    truncate: int | None = None,
    learning_rate: float | None = None,
    max_norm: float | None = None,
    check: bool = True,
    with_update: bool = True,
) -> Numbers:
    """Compute what ``elman.explain`` explains.

    The arguments are those of ``elman.explain``, and an offset (``turned``). Without ``with_update``,
    ``update`` is empty and ``held`` is NaN.
    """
    try:
        who = subject(model, _alone(x), [_one(y, model)])
    except DataError as error:
        error.add_note("Here X is [x], a data set of one sequence, and y is [y].")
        raise
    layer = who.layer(layer)
    who.check_reverse(reverse)
    if truncate is not None and not (_is_number(truncate, Integral) and truncate >= 0):
        raise ValueError(f"truncate must be a whole number of steps, 0 or more; got {truncate!r}")
    for name, value in (("learning_rate", learning_rate), ("max_norm", max_norm)):
        if value is not None and not (_is_number(value, Real) and 0 < value < np.inf):
            raise ValueError(f"{name} must be a number above 0; got {value!r}")

    title = f"{who.name}, layer {layer} of {len(who.parameters.architecture.hidden)}"
    if who.parameters.architecture.bidirectional:
        title += f", {'reverse' if reverse else 'forward'} direction"
        who, offset = turned(who, layer, reverse)
        layer = 1
    parameters, x = who.parameters, who.sequences.values
    architecture, targets = parameters.architecture, np.asarray(who.targets)
    wanted = Wanted.of(
        architecture.loss_function, targets, architecture.n_outputs, len(x), who.every_step
    )
    _require_memory(parameters, layer, len(x), len(wanted.answering))
    passes = Passes.of(parameters, x, wanted, offset)
    gradients = passes.gradients()
    delta, dh, by_entry = passes.carried_back(layer)
    if not (np.isfinite(delta).all() and np.isfinite(gradients.vector).all()):
        raise DataError(
            "the gradient overflows on its way back through this sequence: it explodes beyond "
            "1e308. Explain a model with a smaller W, or a shorter sequence."
        )
    update, held = {}, terms.Difference(np.nan, np.nan)
    if with_update:
        update = _update(
            passes,
            gradients if truncate is None else passes.gradients(truncate),
            learning_rate or who.learning_rate or DEFAULT_LEARNING_RATE,
            max_norm or who.max_norm,
            layer,
        )
        held = passes.held(layer, gradients)

    checks, totals, backward, central = None, None, None, None
    if check:
        checks = check_terms(passes, layer, delta, dh)
        totals = check_totals(passes, gradients)
        backward = [
            check_backward(f"layer {k} ({name_of(cell)})", of_layer.cell, trace, found)
            for k, (cell, of_layer, trace, found) in enumerate(
                zip(
                    parameters.architecture.cells,
                    parameters.layers,
                    passes.trace.layers,
                    passes.slopes,
                    strict=True,
                ),
                start=1,
            )
        ]
        central = central_differences(passes, layer, checks)

    forward = passes.rows(layer)
    T, H = forward["h_activated"].shape
    cell_name = name_of(parameters.architecture.cells[layer - 1])
    return Numbers(
        title=(
            f"{title} ({H} {cell_name} unit{'s' * (H > 1)}), a sequence of {T} step{'s' * (T > 1)}"
        ),
        seed=who.seed,
        classes=who.classes,
        features=who.features,
        every_step=who.every_step,
        takes_frames=who.takes_frames,
        layer=layer,
        reverse=reverse,
        offset=offset,
        parameters=parameters,
        gradients=gradients,
        x=x,
        inputs=passes.inputs(layer),
        **forward,
        h_top=passes.h_top,
        y_unactivated=passes.trace.y_unactivated.T,
        y_activated=wanted.loss.activate(passes.trace.y_unactivated).T,
        labels=wanted.labels,
        y=np.where(wanted.present, wanted.y, np.nan).T,
        losses=passes.losses(),
        output_error=passes.error.T,
        delta_of_losses=delta,
        by_entry=by_entry,
        slopes=passes.least_open(layer),
        held=held,
        truncate=truncate,
        checks_=checks,
        totals_=totals,
        backward_=backward,
        central=central,
        update=update,
    )


def _require_memory(parameters: Parameters, layer: int, T: int, n_losses: int) -> None:
    """Refuse what takes more memory than there is: each entry of a loss has an error at each step."""
    hidden = parameters.architecture.hidden[layer - 1 :]
    cells = parameters.architecture.layer_cells[layer - 1 :]
    carried = sum(
        (len(cell.gates) + len(cell.states)) * H for cell, H in zip(cells, hidden, strict=True)
    )
    readout = READOUTS[parameters.architecture.readout]
    n_rows, n_entries = n_losses, n_losses  # rows of δ; entries that are carried back
    if readout.of_all_steps:  # a loss enters at each step that it reads: at most one for each unit
        n_read = min(T, hidden[-1]) if readout.chooses else T
        n_rows, n_entries = n_losses + min(T, n_losses * n_read), n_losses * n_read
    n_numbers = T * (n_rows * len(cells[0].gates) * hidden[0] + 2 * n_entries * carried)
    n_numbers += 40 * T * carried  # the passes of the proof, and what the forward pass keeps
    require_memory(8 * n_numbers, f"explaining {T:,} steps of {hidden[0]:,} units")


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _alone(x: Any) -> Any:
    """Make a data set of one sequence; columns keep their names."""
    if isinstance(x, str):
        return [x]
    try:
        are_several = isinstance(x, Sequences) or (isinstance(x, list) and np.ndim(x[:1]) == 3)
        shape = () if are_several else np.shape(x)
    except ValueError:  # not an array: it is refused later, with all arrays
        return [x]
    if are_several:
        raise DataError(
            f"x has {len(x)} sequence{'s' * (len(x) != 1)}; expected one sequence, "
            "(n_timesteps, n_features). Of a data set X pass one, X[0]."
        )
    if len(shape) not in (1, 2):
        raise DataError(
            f"x has {len(shape)} dimension(s), shape {shape}; expected one sequence, "
            "(n_timesteps, n_features). Of a data set X pass one, X[0]."
        )
    if hasattr(x, "columns"):
        return [x]
    if hasattr(x, "iloc"):  # a row of a data frame
        return x.to_frame().T
    return np.asarray(x)[None]


def _one(y: Any, model: Any) -> Any:
    """The label, or the labels, of one sequence."""
    try:
        labels = np.asarray(y)
    except ValueError:
        raise DataError("y is a list of lists; expected a label, or one for each step.") from None
    if labels.size > 1 and isinstance(model, RNNClassifier):
        raise DataError(
            f"y has shape {labels.shape}; an RNNClassifier gives a sequence one label, and expects one "
            "here. Of a data set pass X[0], y[0]; of one-hot labels np.argmax(y)."
        )
    return labels if labels.dtype.kind == "f" else labels.tolist()


def _update(
    passes: Passes,
    gradients: Parameters,
    learning_rate: float,
    max_norm: float | None,
    layer: int,
) -> dict[str, Any]:
    """Take the notes' step (N4) on copies."""
    after, gradients = passes.parameters.copy(), gradients.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        norm = clip_norm(gradients.vector, max_norm)
        descend(after.vector, gradients.vector, learning_rate)
        loss_after = float(
            passes.losses_of(
                forward_with_answers(after, passes.x, after.layers, passes.offset).y_unactivated
            ).sum()
        )
    clipped = max_norm is not None and norm > max_norm
    return {
        "norm": norm,
        "max_norm": max_norm,
        "clipped": clipped,
        "scale": max_norm / norm if clipped and max_norm is not None else 1.0,
        "learning_rate": learning_rate,
        "after": after,
        "loss_after": loss_after,
        "V_after": after["V"],
        "c_after": after.get("c"),
    } | {f"{name}_after": after.get(f"{name}{layer}") for name in "UWb"}
