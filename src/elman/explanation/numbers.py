"""Results from one sequence's arrays: the terms, why they vanish, and whether they are proved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.explanation import spectra, terms
from elman.explanation.arrays import Arrays
from elman.explanation.diagnosis import Diagnosis, diagnose
from elman.explanation.proof import LONG, SMALLEST, TOLERANCE, Check, TotalCheck
from elman.explanation.slopes import explicit_parts, jacobians

SUM_TOLERANCE = 1e-13
"""How far the sum of the terms may be from the gradient, relative to Σ ‖term‖: they may cancel."""


class Numbers(Arrays):
    """Every number of an explanation; ``Explanation`` and the page use it."""

    # The terms (N7, N8)

    @cached_property
    def norms(self) -> Array:
        """‖term(t, τ)‖ (Frobenius), (T, T), of W (of U, if there is no W); NaN: no term."""
        return self.by_steps(self.norms_of_losses, np.nan, "norms")

    @cached_property
    def norms_of_losses(self) -> Array:
        """The same with a row for each loss alone, (A, T)."""
        return terms.term_norms(self.delta_of, self.left, self.answering_rows)

    @cached_property
    def kinds(self) -> npt.NDArray[np.str_]:
        """The kind of each term, (T, T): see ``elman.explanation.terms.term_kinds``."""
        return self.by_steps(self.kinds_of_losses, "", "kinds")

    @cached_property
    def kinds_of_losses(self) -> npt.NDArray[np.str_]:
        """The same with a row for each loss alone, (A, T)."""
        entering = np.array([terms.size(self.entering(t)) for t in self.answering])
        steps = np.arange(self.T)
        if self.W is None:  # nothing goes back through time, or there is nothing to multiply
            structural = np.zeros((len(self.answering), self.T), np.bool_)
            if not self.recurrent:
                for row, t in zip(structural, self.answering, strict=True):
                    row[...] = ~self.reading(t).any(axis=1)
            if self.layer == 1:
                structural = structural | ~self.inputs.any(axis=1)
        else:  # h_0 = 0
            nothing = (steps == 0) & (not self.h_0.any())
            structural = np.broadcast_to(nothing, (len(self.answering), self.T))
        return terms.term_kinds(
            self.delta_of, entering, self.left, self.slopes, self.answering_rows, structural
        )

    def term(self, t: int, tau: int) -> Array:
        """δ_{t,τ} h_{τ-1}ᵀ: the gradient of loss t by W at step τ (N7), (G_h H, H).

        It is zero for τ > t, and if there is no L_t or no W.
        """
        if self.W is None:
            return np.zeros((self.H, self.H))
        return np.outer(self._delta_of("h", t, tau), self.h_previous[self._row(tau)])

    def term_U(self, t: int, tau: int) -> Array:
        """δ_{t,τ} x_τᵀ: the gradient of loss t by U at step τ, (G_x H, D)."""
        return np.outer(self._delta_of("x", t, tau), self.inputs[self._row(tau)])

    def _delta_of(self, what: str, t: int, tau: int) -> Array:
        delta, row = self.delta_of_gates(what), self._row(t)
        if row not in self.answering_rows:
            return np.zeros(delta.shape[2])
        return np.asarray(delta[self.loss_row(t), self._row(tau)])

    def ladder(self, t: int, n: int | None = None) -> list[dict[str, Any]]:
        """Write dL_t/dW (dL_t/dU, if there is no W) as the sum of its terms (N7).

        Parameters
        ----------
        t : int
            The loss.
        n : int, optional
            How many terms, from τ = t back; if left out, all.

        Returns
        -------
        list of dict, a row each τ = t … 1
            tau; kind; norm; share, ⟨term, dL_t/dW⟩ / ‖dL_t/dW‖², which add up to 1; and factors,
            whose product a term is, a list of {"name", "shape"} in the notes' order. Errors reach a
            layer below the top from above as well as through time, so there the factors are the two
            of N8.
        """
        row, parts = self.loss_row(t), self.shares(t)
        return [
            {
                "tau": tau,
                "kind": str(self.kinds_of_losses[row, tau - 1]),
                "norm": float(self.norms_of_losses[row, tau - 1]),
                "share": float(parts[tau - 1]),
                "factors": self._factors(t, tau),
            }
            for tau in range(t, 0, -1)[:n]
        ]

    def shares(self, t: int) -> Array:
        """The share of each term in its loss's gradient, for τ = 1 … t, (t,): they add up to 1."""
        return terms.shares(self.delta_of[self.loss_row(t), :t], self.left[:t])

    def _factors(self, t: int, tau: int) -> list[dict[str, Any]]:
        H, K, G, S = self.H, self.K, self.delta_of.shape[2], len(self.states) * self.H
        h = "h" if len(self.states) == 1 else f"({', '.join(self.states)})"
        factors: list[tuple[str, tuple[int, ...]]]
        if self.W is None:
            factors = [(f"dL_{t}/dh_unactivated_{tau}", (G, 1)), (f"x_{tau}ᵀ", (1, self.D))]
        elif self.layer < len(self.architecture.hidden):
            factors = [(f"dL_{t}/dh_unactivated_{tau}", (G, 1)), (f"h_{tau - 1}ᵀ", (1, H))]
        elif self.readout.of_all_steps:  # through every step from τ on that it reads
            factors = [(f"dL_{t}/dŷ_{t}", (1, K)), (f"dŷ_{t}/dr_{t}", (K, H))]
            factors += [(f"dr_{t}/d{h}_{tau}", (H, S)), (f"∂{h}_{tau}/∂W", (S, G, H))]
        else:
            factors = [(f"dL_{t}/dŷ_{t}", (1, K)), (f"dŷ_{t}/d{h}_{t}", (K, S))]
            factors += [(f"∂{h}_{j}/∂{h}_{j - 1}", (S, S)) for j in range(t, tau, -1)]
            factors += [(f"∂{h}_{tau}/∂W", (S, G, H))]
        return [{"name": name, "shape": shape} for name, shape in factors]

    def explicit(self, t: int) -> Array:
        """∂h_t/∂W with h_{t-1} held constant (N7), (H, G_h H, H): [i, j, k] is ∂h_t[i]/∂W[j, k]."""
        return self._explicit(t)[: self.H]

    def implicit(self, t: int) -> Array:
        """∂h_t/∂h_{t-1} · dh_{t-1}/dW (N7), (H, G_h H, H). It takes t - 1 products of G_h H⁴ numbers.

        It includes what goes through other states than h.
        """
        if self._row(t) == 0:
            return np.zeros_like(self.explicit(1))  # h_0 does not depend on W
        return np.tensordot(self.jacobian(t)[: self.H], self._total(t - 1), axes=1)

    def total(self, t: int) -> Array:
        """dh_t/dW, explicit and implicit (N7), (H, G_h H, H)."""
        return self._total(t)[: self.H]

    def _explicit(self, t: int) -> Array:
        row = self._row(t)
        if self.W is None:
            return np.zeros((len(self.states) * self.H, self.H, self.H))
        part = explicit_parts(self.equations, self.partials[row : row + 1])[0]
        return terms.explicit(part, self.h_previous[row])

    def _total(self, t: int) -> Array:
        total = self._explicit(1)
        for j in range(2, self._row(t) + 2):
            total = self._explicit(j) + np.tensordot(self.jacobian(j), total, axes=1)
        return total

    @cached_property
    def truncation(self) -> list[dict[str, float]]:
        """The error of dW if the sum is cut k steps back: k, relative_error, angle_degrees.

        Errors are cut k steps back from where they enter. If there is no W, dU is cut.
        """
        by_lag = terms.sums_by_lag(self.delta_by_entry_of, self.left, self.entries)
        whole = self.delta_of.sum(axis=0).T @ self.left
        return terms.truncation(by_lag, whole)

    # Why

    def jacobian(self, t: int) -> Array:
        """∂h_t/∂h_{t-1} = diag(f') W, (H, H); zeros if there is no W.

        For a cell with S states it is the Jacobian of all of them, (S H, S H), h first.
        """
        row = self._row(t)
        return np.asarray(jacobians(self.equations, self.partials[row : row + 1], self.W)[0])

    @property
    def last_steps(self) -> range:
        """The steps whose Jacobians are used: all after the first, or the last 1,000."""
        return range(max(2, self.T - LONG + 1), self.T + 1)

    def _jacobians(self, backwards: bool = False) -> Iterator[Array]:
        steps = self.last_steps
        return map(self.jacobian, reversed(steps) if backwards else steps)

    def _of_last_steps(self, values: Iterable[float]) -> Array:
        found = np.full(self.T, np.nan)
        found[self.last_steps.start - 1 :] = list(values)
        return found

    @cached_property
    def singular(self) -> Array:
        """The largest singular value of each ∂h_t/∂h_{t-1}, (T,); NaN for t = 1: h_0 is fixed.

        In a long sequence, only the last 1,000 steps have a value, also in ``product_singular``.
        """
        return self._of_last_steps(spectra.largest_singular(self._jacobians()))

    @cached_property
    def product_singular(self) -> Array:
        """The largest singular value of ∂h_T/∂h_{T-1} … ∂h_t/∂h_{t-1}, (T,); NaN for t = 1."""
        return self._of_last_steps(spectra.largest_of_products(self._jacobians(backwards=True)))

    @cached_property
    def lyapunov(self) -> Array:
        """The largest finite-time Lyapunov exponents, per step, (min(H, 8),); NaN if T = 1.

        Over the last 1,000 steps, if there are more.
        """
        (exponents,) = spectra.lyapunov((J[None] for J in self._jacobians()), min(self.H, 8))
        return np.asarray(exponents)

    @cached_property
    def reach(self) -> Array:
        """By lag k, ‖δ_{t,t-k}‖ / ‖Vᵀ(ŷ_t - y_t)‖: how much of an error is left, (n_lags,).

        The median over the losses that have such a step; NaN if no loss has an error. If errors enter
        at several steps, t is each of them: the lag is counted from there. There is only lag 0 if
        neither this layer nor one above has a W.
        """
        output_signal = terms.size(self._reading.errors(self.output_error @ self.V))  # (T,)
        sizes = terms.size(self.delta_of_losses if self.by_entry is None else self.by_entry)
        steps = self.entries
        has_error = output_signal[steps] > 0
        steps, sizes = steps[has_error], sizes[has_error]
        reach = np.full(self.T if self.recurrent else 1, np.nan)
        for k in range(len(reach)):
            t = steps[rows := np.flatnonzero(steps >= k)]
            if len(t):
                left = sizes[rows, t - k] / output_signal[t]
                reach[k] = np.median(left) if len(left) > 1 else left[0]
        return reach

    def own_and_later(self, t: int) -> tuple[Array, Array]:
        """The part of δ_t that entered at step t itself, and that from later steps, (G H,) (N8)."""
        by_entry = self.delta_of_losses if self.by_entry is None else self.by_entry
        here, row = by_entry[:, self._row(t)], self._row(t)
        steps = (self.entries == row, self.entries > row)
        own, later = (np.asarray(here[at].sum(axis=0)) for at in steps)
        return own, later

    @property
    def saturated(self) -> float:
        """The share of units, over all steps, that let less than 0.1 through: f' < 0.1 for tanh."""
        return float((self.openness < terms.SATURATED).mean())

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The kind (vanishing, exploding, saturated, healthy), and a sentence or two."""
        return diagnose(
            self.reach,
            self.saturated,
            self.W,
            plain=self.plain,
            of_all_steps=self.readout.of_all_steps,
            takes_frames=self.takes_frames,
        )

    @property
    def verdict(self) -> str:
        """How well the gradient flows, in words, and what to change."""
        return self.diagnosis.words

    # Proof

    @cached_property
    def summed_delta(self) -> Array:
        """Σ_t δ_{t,τ}, N8's δ_τ, (T, G H)."""
        return np.asarray(self.delta_of_losses.sum(axis=0))

    @cached_property
    def _sums(self) -> list[tuple[float, float, float]]:
        """For W and for U: ‖Σ term(t, τ) - gradient‖, ‖gradient‖ and Σ ‖term(t, τ)‖."""
        sums = []
        for name, what, left in (("W", "h", self.h_previous), ("U", "x", self.inputs)):
            gradient = self.gradients.get(f"{name}{self.layer}")
            if gradient is not None:
                delta = self.delta_of_gates(what)
                sizes = terms.size(delta).sum(axis=0)  # (T,)
                difference = delta.sum(axis=0).T @ left - gradient
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
        """The number of terms: T (T + 1) / 2 if each step has a label."""
        return sum(self.answering)

    @property
    def n_checked(self) -> int:
        """How many of them were checked by the complex step; in a long sequence, not all."""
        return len(self.checks_ or [])

    @property
    def n_proved(self) -> int | None:
        """How many of them the complex step agrees with; None with ``check=False``."""
        return None if self.checks_ is None else sum(check.passed for check in self.checks_)

    @property
    def worst_error(self) -> float | None:
        """The largest error of a term, relative to its size (see ``Check``); None if unchecked."""
        if self.checks_ is None:
            return None
        # Terms that are too small have no digits to compare.
        checks = [check for check in self.checks_ if not check.size <= SMALLEST / TOLERANCE]
        errors = [check.error / check.size for check in checks]
        return float(np.max(errors, initial=0.0))  # NaN if there is one

    @property
    def passed(self) -> bool:
        """Whether all that was checked is proved, and the terms add up to the gradients."""
        checks: list[Check | TotalCheck] = [
            *(self.checks_ or []),
            *(self.totals_ or []),
            *(self.backward_ or []),
        ]
        add_up = all(difference <= SUM_TOLERANCE * norms for difference, _, norms in self._sums)
        return add_up and all(check.passed for check in checks)
