"""One sequence's back-propagation through time, every term with its number and its proof."""

from __future__ import annotations

import os
from dataclasses import fields
from html import escape
from typing import Any

from elman._files import replace_file, require_ours_or_nothing
from elman._json import dumps
from elman.explanation.explaining import compute
from elman.explanation.numbers import Numbers
from elman.explanation.writing import as_dict, html_file, json_file


class Explanation(Numbers):
    """Every number of one sequence's forward and backward pass, under the notes' names.

    Made by ``elman.explain``. Steps are counted from 1 in arguments and in words, as in the notes; step
    t is in row t - 1 of an array. Everything is float64.

    Dimensions: T steps; of the layer that is explained D inputs, H units, S states and G gates (1 and 1
    for tanh); K classes.

    Attributes
    ----------
    title : str
        The model, in one line.
    seed : int or None
        The estimator's ``random_state``, if it is a number.
    classes : list of str
        The labels in the order of their codes; or the names of the numbers that are predicted.
    features : list of str
        The names of the network's inputs. ``temp[-3]`` is temp 3 steps before the last one of a frame,
        ``z temp`` is standardised by its own sequence, ``Δ temp`` is a difference, ``level temp`` a
        level.
    every_step : bool
        Whether each step has a label, or only the last.
    layer : int
        The layer that is explained, counted from 1.
    reverse : bool
        Whether the layer runs from the last step to the first. Then all arrays do, and step 1 is the
        sequence's last one.
    offset : array (T, K), or None
        For a bidirectional network, what the other direction adds to y_unactivated. Everything else is
        then about this direction, as a network of one layer: ``parameters`` and ``gradients`` are U1,
        W1, …; V has only the columns of this direction; x is the input of the layer (above the lowest
        layer, all states of the layer below).
    parameters, gradients : Parameters
        Those of all layers. The gradients are those of L = Σ L_t (N3) of this one sequence.
    x : array (T, D of layer 1)
        The network's inputs, after the model's front end: standardised; with ``frame`` a step is a
        frame.
    inputs : array (T, D)
        The layer's inputs: x, or the states of the layer below.
    U_frd, W_frd, h_unactivated, h_activated : arrays (T, H)
        N2. For a cell with gates the first three are (T, G_x H), (T, G_h H) and (T, G H), gate by
        gate.
    gates : dict of arrays (T, H)
        The gates' values by name, if the cell has several and keeps their values.
    states : dict of arrays (T, H)
        h, and the other states of the cell.
    partials : array (T, S, G + S, H)
        The derivatives of a step, in each unit: [t - 1, s, g] is ∂(state s)/∂(pre-activation of gate
        g), [t - 1, s, G + r] is ∂(state s)/∂(state r before). For tanh [t - 1, 0, 0] is 1 - h².
    h_top : array (T, H of the top layer)
        The states of the top layer.
    r : array (T, H of the top layer)
        What V multiplies: h_t, or the mean or the maxima of h_1 … h_t. ``reading(t)`` is ∂r_t/∂h_j for
        each unit, and ``entering(t)`` is the error of L_t that enters at each step.
    y_unactivated, y_activated : arrays (T, K)
        N2, of every step, with a label or without. If numbers are predicted, they are standardised, as
        the network's output is.
    labels : array (T,), or None
        Codes of labels; -1 if a step has none. None if numbers are predicted.
    y : array (T, K)
        The targets as the network sees them: one-hot rows (N3), or numbers; NaN if a step has none.
    losses : array (T,)
        L_t (N3); NaN if a step has no label.
    output_error : array (T, K)
        ŷ_t - y_t (N5), or dL_t/dz_t of a loss of numbers; zeros if a step has no label.
    delta_of_losses : array (A, T, G H)
        A row for each of the A losses: [i, τ - 1] is δ_{t,τ} = dL_t/dh_unactivated_τ (N7) of the i-th
        loss, t = answering[i]; zeros if τ > t. ``delta``, (T, T, G H), has a row for each step.
        It, ``partials`` and ``output_error`` are computed without differences of numbers near 1, so no
        digits are lost if ŷ is nearly 1 or units are saturated.
    by_entry : array (n, T, G H), or None
        If the output reads all steps, [i, τ - 1] is the part of δ_τ that entered at the step
        ``entries[i]``, counted from 0. Else None: a loss enters at its own step. ``delta_by_entry``,
        (T, T, G H), has a row for each step.
    slopes : array (T,)
        How much of an error each step lets through (for tanh the mean f'): the smallest value of this
        layer and those above.
    held : Difference
        The error of dW if h_{t-1} is treated as a constant in this layer's W h_{t-1}:
        relative_error, angle_degrees.
    truncate : int or None
        How many steps back the gradients of ``update`` go; None: all.
    checks_ : list of Check, or None
        The proof of each term of W (of U without W, or where h_{τ-1} is 0): t, tau, expected, found,
        error, bound, passed.
        With ``check=False``, this and the next two are None.
    totals_ : list of TotalCheck, or None
        The proof of the whole gradient of each parameter, of all layers.
    backward_ : list of TotalCheck, or None
        The proof that each cell's ``backward`` is the derivative of its ``forward``.
    central : list of dict, or None
        For comparison, the result of central differences: step, relative_error, and unseen, the number
        of terms that are lost.
    update : dict
        The step W ← W - α dL/dW of the notes (N4), from this sequence alone: norm (of all gradients),
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
        """Return everything as JSON's numbers, strings, lists and dicts; NaN and infinity as None.

        Parameters
        ----------
        vectors : bool
            Whether to include large arrays: the parameters, the gradients, and delta, for each loss a
            list of δ_{t,1} … δ_{t,t}.
        """
        return as_dict(self, vectors=vectors)

    def to_json(self, path: str | os.PathLike[str] | None = None, *, vectors: bool = True) -> str:
        """Return everything as JSON, and write it to ``path`` if given; see ``to_dict``.

        A file that is there already is replaced if it is one of these; any other stays, and is an
        error, as with ``save_html``.
        """
        text = dumps(self.to_dict(vectors=vectors), ensure_ascii=False)
        if path is not None:
            require_ours_or_nothing(path, "JSON")
            replace_file(path, json_file(text))
        return text

    def save_html(
        self,
        path: str | os.PathLike[str],
        *,
        step: int | None = None,
        command: str | None = None,
    ) -> None:
        """Write the explanation as one HTML page, which needs no network.

        A page of elman's that is there already is replaced; any other file stays, and is an error.

        Parameters
        ----------
        path : path
        step : int, optional
            The step that the page opens with; the last one that has a loss if left out.
        command : str, optional
            The command that makes the page again, to show on it.

        Raises
        ------
        ValueError
            If there is no such step.
        FileExistsError
            If there is a file already that is no page of elman's.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        require_ours_or_nothing(path, "page")
        replace_file(path, html_file(self, step=step, command=command))

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
        One sequence, as the model takes it. If an estimator was fitted on rows, a row.
    y : label, or array (n_timesteps,) of labels
        As the model takes them; a Network takes integers 0 … K - 1, one or one for each step.
    layer : int
        The layer to explain, counted from 1, the lowest. For a bidirectional network, the top layer.
    reverse : bool
        For a bidirectional network: whether to explain the layer that runs from the last step to the
        first, or the forward one.
    truncate : int, optional
        Cut the gradients of ``update`` after so many steps back. ``truncation`` says how much each cut
        changes them.
    learning_rate : float, optional
        α of ``update``; the estimator's, or 0.01, if left out.
    max_norm : float, optional
        The norm to which ``update`` clips the gradient; the estimator's, or none, if left out.
    check : bool
        Whether to prove every term by the complex step, and to compare with central differences. It
        takes T forward passes, and 16 more for each of at most 64 of the last 128 steps. If a sequence
        has more than 1,000 steps, the terms of the last 64 steps, of some before these, and the whole
        gradients are proved.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError, ValueError, TypeError, NotFittedError
        If an argument is not as above, or the network's numbers overflow on this sequence.
    MemoryError
        If the errors of all losses at all steps need more memory than there is. Nothing was computed.

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
