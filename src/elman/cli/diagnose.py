"""``elman train --diagnose``: how the gradient flows, after each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data import Sequences

if TYPE_CHECKING:
    from elman.datasets import Dataset
    from elman.estimators import RNNClassifier, RNNTagger

_SAMPLE = 256  # sequences: enough for means, and as fast as most epochs


def diagnosis(epoch: int, estimator: RNNClassifier | RNNTagger, dataset: Dataset) -> dict[str, Any]:
    """Look at the gradient's flow into the lowest layer, which errors have the longest way to.

    Each epoch it is that of the same training sequences, at most 256.

    Returns
    -------
    dict
        epoch; kind, the verdict; left, what of an error is left at the largest lag; lag; saturated,
        the share of units; singular, the largest singular value of a ∂h_t/∂h_{t-1}. None for what
        there is not.
    """
    from elman import gradient_flow

    n = len(dataset.X_train)
    chosen = np.sort(np.random.default_rng(0).permutation(n)[:_SAMPLE])
    flow = gradient_flow(estimator, _take(dataset.X_train, chosen), _take(dataset.y_train, chosen))
    lags = np.flatnonzero(~np.isnan(flow.norms))
    return {
        "epoch": epoch,
        "kind": flow.kind,
        "left": float(flow.norms[lags[-1]]) if len(lags) else None,
        "lag": int(lags[-1]) if len(lags) else None,
        "saturated": flow.saturated_share,
        "singular": float(flow.singular[-1]) if len(flow.singular) else None,
    }


def in_words(found: dict[str, Any]) -> str:
    """Put a diagnosis in a line that fits a terminal."""
    parts = [f"epoch {found['epoch']}: gradient {found['kind']}"]
    if found["lag"] is not None:
        parts.append(
            f"{found['left']:.2g} left {found['lag']} step{'s' * (found['lag'] != 1)} back"
        )
    parts.append(f"{found['saturated']:.0%} saturated")
    if found["singular"] is not None:
        parts.append(f"largest σ {found['singular']:.2f}")
    return ", ".join(parts)


def _take(values: Any, chosen: Any) -> Any:
    if isinstance(values, np.ndarray | Sequences):
        return values[chosen]
    return [values[i] for i in chosen]
