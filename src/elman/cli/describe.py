"""What a model file is, for ``elman inspect``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

_MOST = 20  # names that are listed


def found_in_model(path: Path) -> dict[str, Any]:
    """All that is said of a model file, ready for JSON.

    Raises
    ------
    ModelFileError
        If the file is damaged or altered.
    """
    from elman import Network, load
    from elman.persistence import read_model

    model, settings = load(path), read_model(path).settings
    network = model if isinstance(model, Network) else model.network_
    architecture = network.architecture
    found = {
        "source": str(path),
        "kind": type(model).__name__,
        "layers": [
            [H, cell if isinstance(cell, str) else type(cell).__name__]
            for H, cell in zip(architecture.hidden, architecture.cells, strict=True)
        ],
        "bidirectional": architecture.bidirectional,
        "inputs": architecture.n_features,
        "outputs": architecture.n_outputs,
        "parameters": architecture.n_parameters,
        "dtype": str(network.dtype),
    }
    if isinstance(model, Network):
        return found
    history = model.history_
    return {
        **found,
        "estimator": " ".join(repr(model).split()),
        "networks": model.n_members_,
        "n_features": model.n_features_in_,
        "features": list(getattr(model, "feature_names_in_", ())),
        "tokens": len(getattr(model, "vocabulary_", ())),
        "every_step": model._every_step,
        "classes": model.classes_.tolist() if hasattr(model, "classes_") else None,
        "reading": dict(getattr(model, "reading_", {})),
        "epochs": len(history),
        "sequences_seen": model.n_sequences_seen_,
        "last_epoch": history[-1] if history else None,
        "is_checkpoint": "training" in settings,
    }


def in_lines(found: dict[str, Any]) -> list[str]:
    """The same in words, each line for itself."""
    from elman.reading.info import listed

    layers = " + ".join(f"{H} {cell}" for H, cell in found["layers"])
    way = "bidirectional " if found["bidirectional"] else ""
    network = (
        f"network: {way}{layers} units, {_n(found['inputs'], 'input')}, "
        f"{_n(found['outputs'], 'output')}; {found['parameters']:,} parameters in {found['dtype']}"
    )
    if "estimator" not in found:
        return [f"{found['source']}: a Network of elman, without labels or units", network]
    if found["networks"] > 1:
        network += f" ({found['networks']} networks side by side)"
    what = "a checkpoint" if found["is_checkpoint"] else "a model"
    lines = [f"{found['source']}: {what}, {found['estimator']}", network]
    if found["tokens"]:
        lines.append(f"a step is one of {found['tokens']:,} known symbols")
    else:
        names = f": {listed(found['features'], _MOST)}" if found["features"] else ", without names"
        lines.append(f"a step has {_n(found['n_features'], 'feature')}{names}")
    each = "step" if found["every_step"] else "sequence"
    if found["classes"] is None:
        lines.append(f"predicts numbers for each {each}")
    else:
        n = len(found["classes"])
        lines.append(
            f"predicts one of {n:,} classes for each {each}: {listed(found['classes'], _MOST)}"
        )
    if reading := found["reading"]:
        parts = {"id": reading["id"], "time": reading["time"], "label": ", ".join(reading["label"])}
        parts |= {"missing values": (reading.get("missing") or {}).get("policy")}
        columns = ", ".join(f"{name} {value}" for name, value in parts.items() if value)
        lines.append("reads tables" + (f" with {columns}" if columns else ""))
    else:
        lines.append("trained on arrays: the model knows no columns of a table")
    if found["last_epoch"] is not None:
        last = found["last_epoch"]
        line = f"trained {_n(found['epochs'], 'epoch')}, in the last: loss {last['loss']:.4f}"
        line += f", training accuracy {last['accuracy']:.2%}" if "accuracy" in last else ""
        lines.append(line)
    if found["is_checkpoint"]:
        lines.append(f"to go on with its training: elman resume {quote(found['source'])}")
    return lines


def _n(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"
