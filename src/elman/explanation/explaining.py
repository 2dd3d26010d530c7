"""Making an explanation: forward, backward, the step it asks for, and the proofs."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations import (
    cross_entropy,
    descend,
    network,
    output_error,
    recurrent_gradients,
    recurrent_step,
)
from elman.errors import DataError
from elman.explanation import terms
from elman.explanation.explanation import Explanation
from elman.explanation.proof import central_differences, check_terms, check_totals
from elman.explanation.subject import subject
from elman.parameters import Architecture, Parameters
from elman.training.optimizers import clip_norm

DEFAULT_LEARNING_RATE = 0.01


def explain(
    model: Any,
    x: Any,
    y: Any,
    *,
    layer: int = 1,
    truncate: int | None = None,
    learning_rate: float | None = None,
    max_norm: float | None = None,
    check: bool = True,
) -> Explanation:
    """Explain one sequence's gradient: every term of N7, with its number and its proof.

    Parameters
    ----------
    model : RNNClassifier, RNNTagger or Network
        An estimator has to be fitted; its standardisation is applied, and its labels are named.
    x : array (n_timesteps, n_features)
        One sequence, as the model takes it. Where an estimator was fitted on rows, a row.
    y : label, or array (n_timesteps,) of labels
        As the model takes them; a Network takes integers 0 … K - 1, one or one a step.
    layer : int
        The layer whose terms are wanted, counted from 1, the lowest.
    truncate : int, optional
        Make ``update`` from gradients cut so many steps back. ``truncation`` says what each
        cut costs.
    learning_rate : float, optional
        α of ``update``: that of the estimator, or 0.01.
    max_norm : float, optional
        What ``update`` clips the gradient's norm to: that of the estimator, or none.
    check : bool
        Whether to prove every term by the complex step. It costs T passes forward.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError, ValueError, TypeError, NotFittedError
        If an argument is not as above, or the network's numbers overflow on this sequence.

    Examples
    --------
    >>> import numpy as np
    >>> import elman
    >>> network = elman.Network(n_features=2, hidden=4, n_outputs=3, seed=0)
    >>> x = np.random.default_rng(0).standard_normal((5, 2))
    >>> ex = elman.explain(network, x, [0, 1, 2, 1, 0])
    >>> ex.n_proved, ex.n_terms
    (15, 15)
    >>> terms = sum(ex.term(t, tau) for t in range(1, 6) for tau in range(1, t + 1))
    >>> bool(np.allclose(terms, ex.gradients["W1"], rtol=1e-13, atol=0))
    True
    """
    who = subject(model, _alone(x), [y])
    layer = who.layer(layer)
    if truncate is not None and not (isinstance(truncate, int | np.integer) and truncate >= 0):
        raise ValueError(f"truncate must be a whole number of steps, 0 or more; got {truncate!r}")
    for name, value in (("learning_rate", learning_rate), ("max_norm", max_norm)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} must be a number above 0; got {value!r}")

    parameters, x = who.parameters, who.sequences.values
    layers, V, c = parameters.layers, parameters["V"], parameters.get("c")
    T, K = len(x), len(V)
    labels = np.full(T, -1)
    labels[0 if who.every_step else -1 :] = who.labels
    answering = np.flatnonzero(labels >= 0)

    # Forward: T blocks of one column, and an answer at every step (N2)
    blocks = list(x[:, :, None])
    answers_from = [0] * T
    with np.errstate(over="ignore", invalid="ignore"):  # looked at below
        trace = network.forward(blocks, layers, V, c, answers_from)
    if not np.isfinite(trace.y_unactivated).all():
        step = 1 + int(np.argmin(np.isfinite(trace.y_unactivated).all(axis=0)))
        raise DataError(
            f"the network's states overflow at step {step} of this sequence; expected finite numbers. "
            "Explain a model with smaller weights, or scale x."
        )
    inputs = blocks if layer == 1 else trace.h_activated[layer - 2][1:]
    here = layers[layer - 1]
    steps = [
        recurrent_step(x_t, h, here.U, here.W, here.b, here.cell)
        for x_t, h in zip(inputs, trace.h_activated[layer - 1])
    ]
    U_frd, W_frd, h_unactivated, h_activated = (np.array(a)[:, :, 0] for a in zip(*steps))

    # A step without a label has an empty column y, and so no loss and no error (N3, N5).
    y_columns = np.zeros((K, T))
    y_columns[labels[answering], answering] = 1
    losses = np.full(T, np.nan)
    for t in answering:
        column = slice(t, t + 1)
        losses[t] = cross_entropy(y_columns[:, column], trace.y_unactivated[:, column])
    error = output_error(y_columns, trace.y_activated)  # (K, T)

    # Backward: for the gradients all losses at once, for the terms each on its own (N6 … N8)
    layer_gradients, dV, dc = network.gradients(blocks, y_columns, layers, V, answers_from, trace)
    gradients = _named(parameters.architecture, layer_gradients, dV, dc)
    dh = V.T @ error[:, answering]
    here_and_above = slice(layer - 1, None)
    h_here_and_above = trace.h_activated[here_and_above]
    carried = terms.carry_back(dh, answering, layers[here_and_above], h_here_and_above)[0]
    delta = np.zeros((T, T, len(here.U)))
    delta[answering] = carried.transpose(2, 0, 1)  # (T, H, A) → (A, T, H)
    slopes = [
        [up.cell.derivative(h_t).mean() for h_t in h[1:]]
        for up, h in zip(layers[here_and_above], h_here_and_above)
    ]

    # The step that learning would take (N4), from truncated sums if they are asked for
    cut = gradients.copy()
    if truncate is not None:
        below = [blocks, *(h[1:] for h in trace.h_activated[:-1])]
        deltas = terms.carry_back(dh, answering, layers, trace.h_activated, truncate)
        sums = [list(delta_k.sum(axis=2, keepdims=True)) for delta_k in deltas]  # T blocks (H, 1)
        layer_gradients = [
            recurrent_gradients(*parts) for parts in zip(sums, below, trace.h_activated)
        ]
        cut = _named(parameters.architecture, layer_gradients, dV, dc)
    update = _update(
        parameters,
        cut,
        learning_rate or who.learning_rate or DEFAULT_LEARNING_RATE,
        max_norm or who.max_norm,
        layer,
    )
    after = update["after"]
    trace_after = network.forward(blocks, after.layers, after["V"], after.get("c"), answers_from)
    update["loss_after"] = abs(float(cross_entropy(y_columns, trace_after.y_unactivated)))
    update["truncate"] = truncate

    inputs_rows = np.array(inputs)[:, :, 0]
    checks, totals, central = None, None, None
    if check:
        # Of a layer without W the terms of U are proved: the same δ, beside other vectors.
        name = "U" if here.W is None else "W"
        left = np.concatenate([np.zeros((1, len(here.U))), h_activated[:-1]])
        of_layer = (parameters, layer, inputs_rows, labels, name)
        checks = check_terms(*of_layer, delta, inputs_rows if name == "U" else left)
        totals = check_totals(parameters, x, labels, gradients)
        central = central_differences(*of_layer, checks)

    n_layers = len(layers)
    cell = parameters.architecture.cells[layer - 1]
    return Explanation(
        title=(
            f"{who.name}, layer {layer} of {n_layers} ({len(here.U)} {cell} units), "
            f"a sequence of {T} step{'s' * (T > 1)}"
        ),
        seed=who.seed,
        classes=who.classes,
        every_step=who.every_step,
        layer=layer,
        parameters=parameters,
        gradients=gradients,
        x=x,
        inputs=inputs_rows,
        U_frd=U_frd,
        W_frd=W_frd,
        h_unactivated=h_unactivated,
        h_activated=h_activated,
        h_top=np.array(trace.h_activated[-1][1:])[:, :, 0],
        y_unactivated=trace.y_unactivated.T,
        y_activated=trace.y_activated.T,
        labels=labels,
        losses=losses,
        output_error=error.T,
        delta=delta,
        slopes=np.min(slopes, axis=0),
        truncate=truncate,
        checks_=checks,
        totals_=totals,
        central=central,
        update=update,
    )


def _alone(x: Any) -> Array:
    """Make a data set of one sequence."""
    x = np.asarray(x)
    if x.ndim not in (1, 2):
        raise DataError(
            f"x has {x.ndim} dimension(s), shape {x.shape}; expected one sequence, "
            "(n_timesteps, n_features). Of a data set X pass one, X[0]."
        )
    return np.asarray(x[None])


def _named(
    architecture: Architecture, of_layers: list[tuple[Array, Array, Array]], dV: Array, dc: Array
) -> Parameters:
    """Put gradients under their parameters' names; what a network lacks (W, b, c) is left out."""
    computed = {"V": dV, "c": dc}
    for k, (dU, dW, db) in enumerate(of_layers, start=1):
        computed |= {f"U{k}": dU, f"W{k}": dW, f"b{k}": db}
    gradients = Parameters.zeros(architecture, np.float64)
    for name, gradient in gradients.items():
        gradient[...] = computed[name]
    return gradients


def _update(
    parameters: Parameters,
    gradients: Parameters,
    learning_rate: float,
    max_norm: float | None,
    layer: int,
) -> dict[str, Any]:
    """Take the notes' step (N4) on copies; ``gradients`` are clipped in place."""
    after = parameters.copy()
    norm = clip_norm(gradients.vector, max_norm)
    descend(after.vector, gradients.vector, learning_rate)
    clipped = max_norm is not None and norm > max_norm
    return {
        "norm": norm,
        "max_norm": max_norm,
        "clipped": clipped,
        "scale": max_norm / norm if clipped and max_norm is not None else 1.0,
        "learning_rate": learning_rate,
        "after": after,
        "V_after": after["V"],
        "c_after": after.get("c"),
    } | {f"{name}_after": after.get(f"{name}{layer}") for name in "UWb"}
