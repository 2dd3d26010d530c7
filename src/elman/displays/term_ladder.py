"""The sizes of the terms of dL/dW, and why some of them contribute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array
from elman.displays.drawing import BLUE, GREY, SEQUENTIAL, log_scale, one_axes, tidy, whole_numbers
from elman.displays.of_explanation import ExplanationDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HATCHES = {"structural": "////", "saturated": "xxxx", "vanished": "....", "unread": "----"}
_DECADES = 8  # powers of ten with colours of their own; smaller terms have the lightest
_NORM = r"$\|\mathrm{term}(t,\tau)\|$"


class TermLadderDisplay(ExplanationDisplay):
    """The sizes of the terms δ_{t,τ} h_{τ-1}ᵀ, whose sum is dL/dW (N7).

    If several steps have a loss, the picture is a triangle of log10 ‖term(t, τ)‖. Each row is a loss
    L_t, and each column is the step τ at which it reaches W. If only one step has a loss, its row is
    drawn as bars. Terms that contribute nothing are hatched. The hatching shows the reason: structural
    (h_0 = 0, or no W), saturated (f' ≈ 0 on the way back), vanished (the product shrank step by step),
    or unread (the output reads all steps, but no unit from this step on).

    Parameters
    ----------
    explanation : Explanation

    Attributes
    ----------
    explanation : Explanation
    log_norms : array (T, T)
        log10 ‖term(t, τ)‖; masked where it is zero or there is no term.
    ax_ : matplotlib Axes
        After ``plot``.
    figure_ : matplotlib Figure
    """

    @property
    def log_norms(self) -> Any:
        """log10 ‖term(t, τ)‖, (T, T); masked where the norm is zero or there is no term."""
        norms = np.ma.masked_invalid(self.explanation.norms)
        return np.ma.log10(np.ma.masked_less_equal(norms, 0))

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        self.ax_ = one_axes(ax)
        self.figure_: Any = self.ax_.figure
        if len(self.explanation.answering) == 1:
            self._bars(self.explanation.answering[0])
        else:
            self._triangle()
        ex = self.explanation
        self.ax_.set(
            xlabel=r"step $\tau$", title=f"terms of $dL/d{ex.of}$, layer {ex.layer} ({ex.cell})"
        )
        whole_numbers(self.ax_.xaxis)
        return self

    def _triangle(self) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        ex, ax, log_norms = self.explanation, self.ax_, self.log_norms
        top = 0.0 if log_norms.mask.all() else float(log_norms.max())
        bottom = top - 1 if log_norms.mask.all() else max(float(log_norms.min()), top - _DECADES)
        image = ax.imshow(
            log_norms,
            cmap=SEQUENTIAL,
            interpolation="nearest",
            vmin=min(bottom, top - 1),
            vmax=top,
            extent=(0.5, ex.T + 0.5, ex.T + 0.5, 0.5),
        )
        below = not log_norms.mask.all() and float(log_norms.min()) < top - _DECADES
        self.figure_.colorbar(
            image,
            ax=ax,
            label=r"$\log_{10}$ " + _NORM,
            pad=0.02,
            extend="min" if below else "neither",
        )
        for kind, hatch in _HATCHES.items():
            runs = [
                Rectangle((start + 0.5, row + 0.5), end - start, 1)
                for row, start, end in _runs(ex.kinds == kind)
            ]
            if runs:
                ax.add_collection(
                    PatchCollection(
                        runs, hatch=hatch, facecolor="none", edgecolor=GREY, linewidth=0
                    )
                )
        self._legend()
        ax.set_ylabel("loss $L_t$")
        whole_numbers(ax.yaxis)
        tidy(ax, grid=False)

    def _bars(self, t: int) -> None:
        ex, ax = self.explanation, self.ax_
        row = ex.loss_row(t)
        norms, kinds = ex.norms_of_losses[row, :t], ex.kinds_of_losses[row, :t]
        for tau, (norm, kind) in enumerate(zip(norms, kinds, strict=True), start=1):
            hatch = _HATCHES.get(kind)
            if norm > 0:
                ax.bar(
                    tau,
                    norm,
                    color="white" if hatch else BLUE,
                    edgecolor=GREY if hatch else BLUE,
                    hatch=hatch,
                )
            else:  # log 0 has no place: the whole height is hatched
                ax.axvspan(
                    tau - 0.4, tau + 0.4, facecolor="none", edgecolor=GREY, hatch=hatch, lw=0
                )
        n_hatched = sum(kind in kinds for kind in _HATCHES)
        log_scale(ax, norms, headroom=0.05 + 0.08 * n_hatched)  # for the legend
        if not (norms > 0).any():
            ax.set_yticks([])
        ax.set(ylabel=rf"$\|\mathrm{{term}}({t},\tau)\|$", xlim=(0.4, t + 0.6))
        tidy(ax)
        ax.grid(visible=False, axis="x")
        self._legend()

    def _legend(self) -> None:
        from matplotlib.patches import Patch

        words = {
            "structural": "structural: $h_0=0$"
            if self.explanation.of == "W"
            else "structural: no way back",
            "saturated": r"saturated: $f'\approx 0$",
            "vanished": "vanished",
            "unread": "unread: no unit from here on",
        }
        handles = [
            Patch(facecolor="white", edgecolor=GREY, hatch=hatch, label=words[kind])
            for kind, hatch in _HATCHES.items()
            if (self.explanation.kinds == kind).any()
        ]
        if handles:
            self.ax_.legend(
                handles=handles, loc="upper right", frameon=True, framealpha=0.9, edgecolor="none"
            )


def _runs(where: Array) -> list[tuple[int, int, int]]:
    """Find the runs of true cells in each row: the row, the first column, one past the last."""
    padded = np.pad(where.astype(int), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))
