"""One sequence's back-propagation through time, every term with its number and its proof."""

from __future__ import annotations

import os
from dataclasses import fields
from html import escape
from typing import Any

from elman._files import replace_file
from elman._json import dumps
from elman.explanation.explaining import compute
from elman.explanation.numbers import Numbers
from elman.explanation.page.render import render
from elman.explanation.writing import as_dict


class Explanation(Numbers):
    """Every number of one sequence's forward and backward pass, under the notes' names.

    Made by ``elman.explain``. Steps count from 1 in arguments and in words, as in the notes; arrays
    have step t in row t - 1. Everything is float64.

    T steps, D inputs of the layer explained, H its units, S states and G gates of its cell (1 and 1 for
    tanh), K classes.

    Attributes
    ----------
    title : str
        The model in a line.
    seed : int or None
        The estimator's ``random_state``, where it is a number.
    classes : list of str
        The labels by code; the names of outputs that are numbers.
    features : list of str
        The names of the network's inputs: ``temp[-3]`` is that of 3 samples before the last of a frame,
        ``z temp`` as its sequence standardises it, ``Δ temp`` a difference, ``level temp`` a level.
    every_step : bool
        Whether each step has a label, or only the last.
    layer : int
        The one explained, counted from 1.
    reverse : bool
        Whether it goes from the last step to the first. Then so do all arrays, and steps count in its
        order: step 1 is the sequence's last.
    offset : array (T, K), or None
        Of a bidirectional network, what the other direction adds to y_unactivated. All else is then
        that of this direction, as a network of one layer: ``parameters`` and ``gradients`` are named
        U1, W1, … and V has its columns alone; x is the layer's inputs, of a layer above the lowest all
        states of the one below; the targets are those of the same steps, or the one of the sequence,
        which the last state of each direction answers.
    parameters, gradients : Parameters
        Of all layers. The gradients are those of the notes' L = Σ L_t of this one sequence.
    x : array (T, D of layer 1)
        The network's inputs, behind the model's front end: standardised; of a model with
        ``frame=`` a step is a frame.
    inputs : array (T, D)
        The layer's: x, or the states of the layer below.
    U_frd, W_frd, h_unactivated, h_activated : arrays (T, H)
        N2. Of a cell with gates the first three are (T, G_x H), (T, G_h H) and (T, G H), gate under
        gate.
    gates : dict of arrays (T, H)
        The gates' values by name, where the cell has several and keeps them.
    states : dict of arrays (T, H)
        h, and what other states the cell has.
    partials : array (T, S, G + S, H)
        What a step does to errors in each unit: [t - 1, s, g] is ∂(state s)/∂(pre-activation of gate
        g), [t - 1, s, G + r] is ∂(state s)/∂(state r before). For tanh [t - 1, 0, 0] is 1 - h².
    h_top : array (T, H of the top layer)
        The top layer's, of which an answer reads its own step's, or all up to it.
    r : array (T, H of the top layer)
        What V multiplies: h_t, or the mean or the maxima of h_1 … h_t. ``reading(t)`` gives ∂r_t/∂h_j,
        unit by unit, and ``entering(t)`` what of L_t's error the output sends to each step.
    y_unactivated, y_activated : arrays (T, K)
        N2, of every step, whether it has a label or not. Numbers, where these are predicted, are as
        the network gives them: standardised.
    labels : array (T,), or None
        Codes; -1 where a step has no label. None if numbers are predicted.
    y : array (T, K)
        The targets: one-hot rows (N3), or numbers, as the network sees them; NaN where a step has
        none.
    losses : array (T,)
        L_t (N3); NaN where a step has no label.
    output_error : array (T, K)
        ŷ_t - y_t (N5), or dL_t/dz_t of a loss of numbers; zeros where a step has no label.
    delta_of_losses : array (A, T, G H)
        A row for each of the A losses: [i, τ - 1] is δ_{t,τ} = dL_t/dh_unactivated_τ (N7) of the i-th
        loss, t = answering[i]; zeros if τ > t. ``delta``, (T, T, G H), has a row each step.
        It, ``partials`` and ``output_error`` are computed without a difference of numbers near 1, so
        that certain answers and saturated units cost no digits.
    by_entry : array (n, T, G H), or None
        Where the output reads all steps, [i, τ - 1] is what of δ_τ entered at the step ``entries[i]``,
        counted from 0; else None: a loss enters at its own step. ``delta_by_entry``, (T, T, G H), has a
        row each step.
    slopes : array (T,)
        How open each step is, the mean f' of tanh: the smallest of this layer's and those above.
    held : Difference
        What is wrong with dW if h_{t-1} is held constant in this layer's W h_{t-1}:
        relative_error, angle_degrees.
    truncate : int or None
        How many steps back the gradients of ``update`` go; None: all.
    checks_ : list of Check, or None
        The proof of each term of W (of U, where there is no W): t, tau, expected, found, error,
        bound, passed. None if it was not asked for, as the next two.
    totals_ : list of TotalCheck, or None
        The proof of the whole gradient of each parameter, of all layers.
    backward_ : list of TotalCheck, or None
        The proof that each layer's cell goes back by the slopes of its way forward.
    central : list of dict, or None
        For contrast, what central differences find: step, relative_error, and unseen, the number of
        terms that are lost.
    update : dict
        The notes' step W ← W - α dL/dW (N4) from this sequence alone: norm (of all gradients),
        max_norm, clipped, scale, learning_rate, after (Parameters), U_after, W_after,
        b_after, V_after, c_after, loss_after.
    """

    def __repr__(self) -> str:
        proved = (
            "" if self.n_proved is None else f", {self.n_proved} of {self.n_checked} terms proved"
        )
        if self.n_proved == self.n_checked and not self.passed:
            wrong = ", ".join(check.name for check in self.backward_ or [] if not check.passed)
            proved += f", but backward() of {wrong} is wrong" if wrong else ", but a sum is not"
        return f"<Explanation: {self.title}, loss {self.loss:.6g}{proved}>"

    def to_dict(self, *, vectors: bool = True) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dicts that JSON has; None for NaN and infinity.

        Parameters
        ----------
        vectors : bool
            Whether to include what is large: the parameters, the gradients, and delta, a list a
            loss of lists δ_{t,1} … δ_{t,t}.
        """
        return as_dict(self, vectors=vectors)

    def to_json(self, path: str | os.PathLike[str] | None = None, *, vectors: bool = True) -> str:
        """Return everything as JSON, and write it to a file if there is a path; see ``to_dict``."""
        text = dumps(self.to_dict(vectors=vectors), ensure_ascii=False)
        if path is not None:  # half a character of a label is written as JSON writes it
            replace_file(path, (text + "\n").encode("utf-8", "backslashreplace"))
        return text

    def save_html(
        self,
        path: str | os.PathLike[str],
        *,
        step: int | None = None,
        command: str | None = None,
    ) -> None:
        """Write the explanation as one HTML page that needs nothing else.

        Parameters
        ----------
        path : path
        step : int, optional
            The step that the page opens with; the last that has a loss if left out.
        command : str, optional
            What makes the page again, to be shown on it.

        Raises
        ------
        ValueError
            If there is no such step.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        page = render(self, step=step, command=command)
        replace_file(path, page.encode("utf-8", "xmlcharrefreplace"))

    def _repr_html_(self) -> str:
        rows = [
            ("loss", f"{self.loss:.6g}"),
            ("terms", f"{self.n_terms}"),
            ("proved", "not asked" if self.n_proved is None else f"{self.n_proved}"),
            ("verdict", self.verdict),
        ]
        body = "".join(
            f"<tr><th scope='row'>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows
        )
        return f"<table><caption>{escape(self.title)}</caption>{body}</table>"


def explain(
    model: Any,
    x: Any,
    y: Any,
    *,
    layer: int = 1,
    reverse: bool = False,
    truncate: int | None = None,
    learning_rate: float | None = None,
    max_norm: float | None = None,
    check: bool = True,
) -> Explanation:
    """Explain one sequence's gradient: every term of N7, with its number and its proof.

    Parameters
    ----------
    model : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        An estimator has to be fitted; its front end is applied, and its labels are named.
    x : array (n_timesteps, n_features)
        One sequence, as the model takes it. Where an estimator was fitted on rows, a row.
    y : label, or array (n_timesteps,) of labels
        As the model takes them; a Network takes integers 0 … K - 1, one or one a step.
    layer : int
        The layer whose terms are wanted, counted from 1, the lowest. Of a bidirectional network it
        has to be the top one.
    reverse : bool
        Of a bidirectional network, whether to explain the layer that goes from the last step to the
        first, or the forward one.
    truncate : int, optional
        Make ``update`` from gradients cut so many steps back. ``truncation`` says what each
        cut costs.
    learning_rate : float, optional
        α of ``update``: that of the estimator, or 0.01.
    max_norm : float, optional
        What ``update`` clips the gradient's norm to: that of the estimator, or none.
    check : bool
        Whether to prove every term by the complex step, and to look at central differences beside
        it. It costs T passes forward, and 16 more for each of at most 64 steps. Of a sequence of more
        than 1,000 steps, the terms of the last 64 steps and of steps ever further apart before them
        are proved, and the whole gradients.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError, ValueError, TypeError, NotFittedError
        If an argument is not as above, or the network's numbers overflow on this sequence.
    MemoryError
        If the errors of all losses at all steps need more memory than there is; nothing was computed.

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
    numbers = compute(
        model,
        x,
        y,
        layer=layer,
        reverse=reverse,
        truncate=truncate,
        learning_rate=learning_rate,
        max_norm=max_norm,
        check=check,
    )
    return Explanation(*(getattr(numbers, field.name) for field in fields(numbers)))
