"""One sequence's back-propagation through time, every term with its number and its proof."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._files import replace_file
from elman._json import dumps
from elman._typing import Array, IntArray
from elman.equations import (
    CELLS,
    softmax_jacobian,
)
from elman.explanation import spectra, terms
from elman.explanation.diagnosis import Diagnosis, diagnose
from elman.explanation.proof import SMALLEST, TOLERANCE, Check, TotalCheck
from elman.explanation.writing import as_dict
from elman.parameters import Architecture, Parameters

LEAST = float(np.finfo(np.float64).tiny)
"""The least ŷ that -y/ŷ is a number for."""

SUM_TOLERANCE = 1e-13
"""How far the sum of the terms may be from the gradient, relative to Σ ‖term‖: they may cancel."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Every number of one sequence's forward and backward pass, under the notes' names.

    Made by ``elman.explain``. Steps count from 1 in arguments and in words, as in the notes; arrays
    have step t in row t - 1. Everything is float64.

    T steps, D inputs of the layer explained, H its units, K classes.

    Attributes
    ----------
    title : str
        The model in a line.
    seed : int or None
        The estimator's ``random_state``, where it is a number.
    classes : list of str
        The labels by code.
    every_step : bool
        Whether each step has a label, or only the last.
    layer : int
        The one explained, counted from 1.
    parameters, gradients : Parameters
        Of all layers. The gradients are those of the notes' L = Σ L_t of this one sequence.
    x : array (T, D of layer 1)
        The network's inputs, standardised.
    inputs : array (T, D)
        The layer's: x, or the states of the layer below.
    U_frd, W_frd, h_unactivated, h_activated : arrays (T, H)
        N2.
    h_top : array (T, H of the top layer)
        The states that answer.
    y_unactivated, y_activated : arrays (T, K)
        N2, of every step, whether it has a label or not.
    labels : array (T,)
        Codes; -1 where a step has no label.
    losses : array (T,)
        L_t (N3); NaN where a step has no label.
    output_error : array (T, K)
        ŷ_t - y_t (N5); zeros where a step has no label.
    delta : array (T, T, H)
        [t - 1, τ - 1] is δ_{t,τ} = dL_t/dh_unactivated_τ (N7), zeros if τ > t or there is no L_t.
        It and ``output_error`` are computed without a difference of numbers near 1, so that certain
        answers and saturated units cost no digits.
    slopes : array (T,)
        The mean f' of each step: the smallest of this layer's and those above.
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
    central : list of dict, or None
        For contrast, what central differences find: step, relative_error, and unseen, the number of
        terms that are lost.
    update : dict
        The notes' step W ← W - α dL/dW (N4) from this sequence alone: norm (of all gradients),
        max_norm, clipped, scale, learning_rate, after (Parameters), U_after, W_after,
        b_after, V_after, c_after, loss_after.
    """

    title: str
    seed: int | None
    classes: list[str]
    every_step: bool
    layer: int
    parameters: Parameters
    gradients: Parameters
    x: Array
    inputs: Array
    U_frd: Array
    W_frd: Array
    h_unactivated: Array
    h_activated: Array
    h_top: Array
    y_unactivated: Array
    y_activated: Array
    labels: IntArray
    losses: Array
    output_error: Array
    delta: Array
    slopes: Array
    held: terms.Difference
    truncate: int | None
    checks_: list[Check] | None
    totals_: list[TotalCheck] | None
    central: list[dict[str, float]] | None
    update: dict[str, Any]

    def __repr__(self) -> str:
        proved = (
            "" if self.n_proved is None else f", {self.n_proved} of {self.n_terms} terms proved"
        )
        return f"<Explanation: {self.title}, loss {self.loss:.6g}{proved}>"

    # Sizes and parameters

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        return self.parameters.architecture

    @property
    def cell(self) -> str:
        """What the layer is made of."""
        return self.architecture.cells[self.layer - 1]

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.inputs)

    @property
    def D(self) -> int:
        """The inputs of the layer."""
        return int(self.inputs.shape[1])

    @property
    def H(self) -> int:
        """The units of the layer."""
        return int(self.h_activated.shape[1])

    @property
    def K(self) -> int:
        """The classes."""
        return len(self.classes)

    @property
    def U(self) -> Array:
        """The layer's input weights, (H, D)."""
        return self.parameters[f"U{self.layer}"]

    @property
    def W(self) -> Array | None:
        """The layer's recurrent weights, (H, H); None for ``dense``."""
        return self.parameters.get(f"W{self.layer}")

    @property
    def b(self) -> Array | None:
        """The layer's biases, (H,), if there are any."""
        return self.parameters.get(f"b{self.layer}")

    @property
    def V(self) -> Array:
        """The output weights, (K, H of the top layer)."""
        return self.parameters["V"]

    @property
    def c(self) -> Array | None:
        """The output's biases, (K,), if there are any."""
        return self.parameters.get("c")

    # Forward (N2, N3)

    @property
    def h_0(self) -> Array:
        """The state before the first step, (H,): zeros."""
        return np.zeros(self.H)

    @cached_property
    def h_previous(self) -> Array:
        """What W multiplies: h_{t-1} in row t - 1, (T, H). Zeros where there is no W."""
        if self.W is None:
            return np.zeros((self.T, self.H))
        return np.concatenate([self.h_0[None], self.h_activated[:-1]])

    @cached_property
    def derivative(self) -> Array:
        """f'(h_unactivated), 1 - h² for tanh, (T, H)."""
        return terms.exact_slope(CELLS[self.cell], self.h_unactivated)

    @property
    def recurrent(self) -> bool:
        """Whether errors come back through time: this layer has a W, or one above it."""
        return any(CELLS[cell].recurrent for cell in self.architecture.cells[self.layer - 1 :])

    @property
    def answering(self) -> list[int]:
        """The steps that have a loss, counted from 1."""
        return [int(t) + 1 for t in self.answering_rows]

    @property
    def answering_rows(self) -> IntArray:
        """The same, counted from 0."""
        return np.flatnonzero(self.labels >= 0)

    @property
    def loss(self) -> float:
        """L = Σ L_t (N3)."""
        return float(np.nansum(self.losses))

    # The output (N5, N6)

    def softmax_jacobian(self, t: int) -> Array:
        """dŷ_i/dz_k at step t (N5), (K, K)."""
        return softmax_jacobian(self.y_activated[self._row(t)])

    @property
    def residual_n5(self) -> float:
        """The largest difference between Σ_i (-y_i/ŷ_i) dŷ_i/dz_k and ŷ_k - y_k (N5)."""
        worst = 0.0
        for t in self.answering_rows:
            y_hat, label = self.y_activated[t], self.labels[t]
            if y_hat[label] >= LEAST:  # else -y/ŷ is not a number; L_t is taken from z
                product = -1 / y_hat[label] * softmax_jacobian(y_hat)[label]
                worst = max(worst, float(np.abs(product - self.output_error[t]).max()))
        return worst

    def dV_term(self, t: int) -> Array:
        """(ŷ_t - y_t) h_tᵀ (N6), (K, H of the top layer)."""
        row = self._row(t)
        return np.outer(self.output_error[row], self.h_top[row])

    def dV_running(self, t: int) -> Array:
        """Σ_{j≤t} (ŷ_j - y_j) h_jᵀ (N6), (K, H of the top layer)."""
        row = self._row(t)
        return np.asarray(self.output_error[: row + 1].T @ self.h_top[: row + 1])

    # The terms (N7, N8)

    @property
    def of(self) -> str:
        """The parameter whose terms are proved: ``"W"``, or ``"U"`` in a layer that has no W."""
        return "U" if self.W is None else "W"

    @property
    def left(self) -> Array:
        """What that parameter multiplies: h_{τ-1} in row τ - 1, or x_τ."""
        return self.inputs if self.W is None else self.h_previous

    @cached_property
    def norms(self) -> Array:
        """‖term(t, τ)‖ (Frobenius), (T, T), of W (of U, where there is no W); NaN: no term."""
        return terms.term_norms(self.delta, self.left, self.answering_rows)

    @cached_property
    def kinds(self) -> npt.NDArray[np.str_]:
        """What each term is, (T, T): see ``elman.explanation.terms.term_kinds``."""
        dh = self.V.T @ self.output_error[self.answering_rows].T
        steps = np.arange(self.T)
        if self.W is None:  # where nothing goes back through time, or there is nothing to multiply
            structural = (steps < steps[:, None]) & (not self.recurrent)
            if self.layer == 1:
                structural = structural | ~self.inputs.any(axis=1)
        else:  # h_0 = 0
            structural = np.broadcast_to(steps == 0, (self.T, self.T))
        return terms.term_kinds(
            self.delta, dh, self.left, self.slopes, self.answering_rows, structural
        )

    def term(self, t: int, tau: int) -> Array:
        """δ_{t,τ} h_{τ-1}ᵀ: what loss t says of W by way of step τ (N7), (H, H).

        It is zero for τ > t, and where there is no L_t or no W.
        """
        return np.outer(self.delta[self._row(t), self._row(tau)], self.h_previous[self._row(tau)])

    def term_U(self, t: int, tau: int) -> Array:
        """δ_{t,τ} x_τᵀ: what loss t says of U by way of step τ, (H, D)."""
        return np.outer(self.delta[self._row(t), self._row(tau)], self.inputs[self._row(tau)])

    def ladder(self, t: int) -> list[dict[str, Any]]:
        """Write dL_t/dW (dL_t/dU, where there is no W) as the sum of its terms (N7).

        Returns
        -------
        list of dict, a row each τ = t … 1
            tau; kind; norm; share, ⟨term, dL_t/dW⟩ / ‖dL_t/dW‖², which add up to 1; and factors,
            whose product a term is, a list of {"name", "shape"} in the notes' order. Errors reach a
            layer below the top from above as well as through time, so that there the factors are
            N8's two.
        """
        row = self._row(t)
        if self.labels[row] < 0:
            raise ValueError(
                f"step {t} has no label, and so no loss; those with one: {self.answering}"
            )
        parts = terms.shares(self.delta[row, :t], self.left[:t])
        return [
            {
                "tau": tau,
                "kind": str(self.kinds[row, tau - 1]),
                "norm": float(self.norms[row, tau - 1]),
                "share": float(parts[tau - 1]),
                "factors": self._factors(t, tau),
            }
            for tau in range(t, 0, -1)
        ]

    def _factors(self, t: int, tau: int) -> list[dict[str, Any]]:
        H, K = self.H, self.K
        factors: list[tuple[str, tuple[int, ...]]]
        if self.W is None:
            factors = [(f"dL_{t}/dh_unactivated_{tau}", (H, 1)), (f"x_{tau}ᵀ", (1, self.D))]
        elif self.layer == len(self.architecture.hidden):
            factors = [(f"dL_{t}/dŷ_{t}", (1, K)), (f"dŷ_{t}/dh_{t}", (K, H))]
            factors += [(f"∂h_{j}/∂h_{j - 1}", (H, H)) for j in range(t, tau, -1)]
            factors += [(f"∂h_{tau}/∂W", (H, H, H))]
        else:
            factors = [(f"dL_{t}/dh_unactivated_{tau}", (H, 1)), (f"h_{tau - 1}ᵀ", (1, H))]
        return [{"name": name, "shape": shape} for name, shape in factors]

    def explicit(self, t: int) -> Array:
        """∂h_t/∂W with h_{t-1} held constant (N7), (H, H, H): [i, j, k] is ∂h_t[i]/∂W[j, k]."""
        row = self._row(t)
        return terms.explicit(self.derivative[row], self.h_previous[row])

    def implicit(self, t: int) -> Array:
        """∂h_t/∂h_{t-1} · dh_{t-1}/dW (N7), (H, H, H). It takes t - 1 products of H⁴ numbers."""
        if self._row(t) == 0:
            return np.zeros((self.H, self.H, self.H))  # h_0 does not depend on W
        return np.tensordot(self.jacobian(t), self.total(t - 1), axes=1)

    def total(self, t: int) -> Array:
        """dh_t/dW, explicit and implicit (N7), (H, H, H)."""
        total = self.explicit(1)
        for j in range(2, self._row(t) + 2):
            total = self.explicit(j) + np.tensordot(self.jacobian(j), total, axes=1)
        return total

    @cached_property
    def truncation(self) -> list[dict[str, float]]:
        """What is left of dW if the sum is cut k steps back: k, relative_error, angle_degrees.

        Of dU, where there is no W.
        """
        by_lag = terms.sums_by_lag(self.delta, self.left, self.answering_rows)
        return terms.truncation(by_lag, self.summed_delta.T @ self.left)

    # Why

    def jacobian(self, t: int) -> Array:
        """∂h_t/∂h_{t-1} = diag(f') W, (H, H); zeros where there is no W."""
        return np.asarray(self._jacobians[self._row(t)])

    @cached_property
    def _jacobians(self) -> Array:
        W = np.zeros((self.H, self.H)) if self.W is None else self.W
        return np.asarray(self.derivative[:, :, None] * W)

    @cached_property
    def singular(self) -> Array:
        """The largest singular value of each ∂h_t/∂h_{t-1}, (T,); NaN for t = 1: h_0 is fixed."""
        return np.append(np.nan, spectra.largest_singular(self._jacobians[1:]))

    @cached_property
    def product_singular(self) -> Array:
        """The largest singular value of ∂h_T/∂h_{T-1} … ∂h_t/∂h_{t-1}, (T,); NaN for t = 1."""
        return np.append(np.nan, spectra.largest_of_products(self._jacobians[1:]))

    @cached_property
    def lyapunov(self) -> Array:
        """The largest finite-time Lyapunov exponents, per step, (min(H, 8),); NaN if T = 1."""
        return spectra.lyapunov(self._jacobians[1:], min(self.H, 8))

    @cached_property
    def reach(self) -> Array:
        """By lag k, ‖δ_{t,t-k}‖ / ‖Vᵀ(ŷ_t - y_t)‖: what of an error is left k steps back, (n_lags,).

        The median over the losses that have such a step; NaN where no loss has an error. Lag 0 is
        all there is where neither this layer nor one above has a W.
        """
        told = terms.size(self.output_error @ self.V)  # (T,)
        speaking = np.flatnonzero(told > 0)
        sizes = dict(zip(speaking.tolist(), terms.size(self.delta[speaking]), strict=True))
        reach = np.full(self.T if self.recurrent else 1, np.nan)
        for k in range(len(reach)):
            left = [row[t - k] / told[t] for t, row in sizes.items() if t >= k]
            if left:
                reach[k] = np.median(left)
        return reach

    @property
    def saturated(self) -> float:
        """The share of units, over all steps, whose f' is below 0.1."""
        return float((self.derivative < terms.SATURATED).mean())

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The kind (vanishing, exploding, saturated, healthy), and the words."""
        return diagnose(self.reach, self.saturated, self.W)

    @property
    def verdict(self) -> str:
        """How the gradient does, in words, and what to change."""
        return self.diagnosis.words

    # Proof

    @cached_property
    def summed_delta(self) -> Array:
        """Σ_t δ_{t,τ}, N8's δ_τ, (T, H)."""
        return np.asarray(self.delta[self.answering_rows].sum(axis=0))

    @cached_property
    def _sums(self) -> list[tuple[float, float, float]]:
        """Of W and of U: ‖Σ term(t, τ) - gradient‖, ‖gradient‖ and Σ ‖term(t, τ)‖."""
        sums = []
        sizes = terms.size(self.delta[self.answering_rows]).sum(axis=0)  # (T,)
        for name, left in (("W", self.h_previous), ("U", self.inputs)):
            gradient = self.gradients.get(f"{name}{self.layer}")
            if gradient is not None:
                difference = self.summed_delta.T @ left - gradient
                sums.append(
                    (
                        float(terms.size(difference.ravel())),
                        float(terms.size(gradient.ravel())),
                        float(sizes @ terms.size(left)),
                    )
                )
        return sums

    @property
    def sum_error(self) -> float:
        """‖Σ term(t, τ) - dW‖ / ‖dW‖, and the same for U: the larger of the two."""
        return max(difference / size if size else difference for difference, size, _ in self._sums)

    @property
    def n_terms(self) -> int:
        """How many terms there are: T (T + 1) / 2 where each step has a label."""
        return sum(self.answering)

    @property
    def n_proved(self) -> int | None:
        """How many of them the complex step agrees with; None if it was not asked."""
        return None if self.checks_ is None else sum(check.passed for check in self.checks_)

    @property
    def worst_error(self) -> float | None:
        """The largest error of a term by its size (see ``Check``); None if not asked."""
        if self.checks_ is None:
            return None
        # Terms that are too small for the digits of a float have none to compare.
        checks = [check for check in self.checks_ if not check.size <= SMALLEST / TOLERANCE]
        errors = [check.error / check.size for check in checks]
        return float(np.max(errors, initial=0.0))  # NaN if there is one

    @property
    def passed(self) -> bool:
        """Whether all that was checked is proved, and the terms add up to the gradients."""
        checks: list[Check | TotalCheck] = [*(self.checks_ or []), *(self.totals_ or [])]
        add_up = all(difference <= SUM_TOLERANCE * norms for difference, _, norms in self._sums)
        return add_up and all(check.passed for check in checks)

    def _row(self, t: int) -> int:
        if t not in range(1, self.T + 1):
            raise ValueError(f"steps count from 1 to {self.T}; got {t!r}")
        return int(t) - 1

    # Writing it down

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
        from elman.explanation.page import render  # it is asked for here alone

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
