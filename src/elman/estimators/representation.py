"""How a fitted estimator looks in a notebook: scikit-learn's box with the network in it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import prod
from typing import Any

from elman.data import FrontEnd, Vocabulary
from elman.estimators.fitted import Fitted, FittedAttributes

_TABLE = """
<div class="estimator-table">
  <details open>
    <summary>Network</summary>
    <table class="parameters-table">
      <tbody>
{rows}
      </tbody>
    </table>
  </details>
</div>
"""
_ROW = '        <tr class="default"><td class="param">{}</td><td class="value">{}</td></tr>'


class Represented(FittedAttributes):
    """Adds the network to scikit-learn's box of an estimator, alone or in a pipeline."""

    def _get_params_html(self, *args: Any, **kwargs: Any) -> Any:
        """scikit-learn's table of parameters, with a table of the network above it if it is fitted."""
        parent: Any = super()
        params = parent._get_params_html(*args, **kwargs)
        if self.__sklearn_is_fitted__():
            table, of_params = network_table(self._state), params._html_repr
            params._html_repr = lambda: table + of_params()
        return params


def network_table(fitted: Fitted) -> str:
    """Write the network as a table in HTML: layers, parameters, sequences seen, score."""
    rows = [_ROW.format(escape(name), escape(value)) for name, value in described(fitted)]
    return _TABLE.format(rows="\n".join(rows))


def described(fitted: Fitted) -> Iterator[tuple[str, str]]:
    """Describe the network and its training: names and values, row by row."""
    parameters = fitted.network.parameters
    architecture = parameters.architecture
    both = " in each direction" if architecture.bidirectional else ""
    of = f" of {fitted.n_members} networks" if fitted.n_members > 1 else ""
    yield from _front_end(fitted.front_end, fitted.format.vocabulary)
    cells = zip(architecture.hidden, architecture.layer_cells, strict=True)
    for k, (H, cell) in enumerate(cells, start=1):
        kind = type(cell).__name__.lower()
        yield f"layer {k}", f"{H} {kind} unit{'s' * (H != 1)}{of}{both}: {_shapes(fitted, k)}"
    K = architecture.n_outputs
    read = {"last": "", "mean": " of the mean of all steps", "max": " of the maxima of all steps"}
    outputs = f"{K} output{'s' * (K != 1)}{read[architecture.readout]}"
    yield "output", f"{outputs}, {architecture.loss_function.name}: {_shapes(fitted, None)}"
    yield "parameters", f"{architecture.n_parameters:,}, {parameters.vector.dtype}"
    history = fitted.history
    if fitted.n_seen:
        n = len(history)
        yield "sequences seen", f"{fitted.n_seen:,} in {n:,} epoch{'s' * (n != 1)}"
    if history:
        yield "loss", f"{history[-1]['loss']:.4g} in the last epoch"
    if history and "accuracy" in history[-1]:
        yield "training accuracy", f"{history[-1]['accuracy']:.2%} in the last epoch"
    scores = [row["validation_score"] for row in history if "validation_score" in row]
    if scores:
        yield "validation score", f"{max(scores):.4f} at best, in epoch {_best(scores)}"


def _front_end(front_end: FrontEnd, vocabulary: Vocabulary | None) -> Iterator[tuple[str, str]]:
    """Describe the features of a sequence, and the network's input."""
    if vocabulary is not None:
        kind = "characters" if vocabulary.are_characters else "tokens"
        yield "a step", f"one of {len(vocabulary.tokens):,} {kind}, or unknown"
        return
    yield "features of a step", str(front_end.n_features)
    frame = front_end.frame
    if frame is not None:
        every = "step" if frame.stride == 1 else f"{frame.stride} steps"
        yield "frame", f"{frame.length} steps, every {every}"
    if not front_end.standardizes_alone:
        parts = ["x"] + ["z"] * (front_end.level is not None) + ["Δ"] * front_end.differences
        seen = ", ".join(parts) + (f" of {frame.length} steps" if frame is not None else "")
        seen += " and the level" if front_end.level is not None else ""
        yield "the network sees", f"{front_end.n_inputs} numbers a step: {seen}"


def _best(scores: list[float]) -> int:
    return scores.index(max(scores)) + 1


def _shapes(fitted: Fitted, layer: int | None) -> str:
    """The parameters of a layer, or of the output, with their shapes and number of entries."""
    specs = [s for s in fitted.network.architecture.specs.values() if s.layer == layer]
    shapes = ", ".join(f"{s.name} {' × '.join(map(str, s.shape))}" for s in specs)
    return f"{shapes} ({sum(prod(s.shape) for s in specs):,})"
