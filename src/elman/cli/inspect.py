"""``elman inspect``: what is in a file, before anything is trained on it; or what a model is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elman._files import is_ours
from elman._json import dumps
from elman.cli.columns import (
    Features,
    Id,
    Label,
    LayoutOption,
    Separator,
    TableOptions,
    Text,
    Time,
)
from elman.cli.describe import found_in_model, in_lines
from elman.cli.evaluate import Json
from elman.cli.options import Task
from elman.cli.output import check_delivered, say, say_in_words
from elman.cli.sources import refuse_dataset, refuse_idle
from elman.cli.targets import Force, Target, check_targets

if TYPE_CHECKING:
    from elman.reading.raw import Raw

_MOST = 20  # classes, or features, that are listed


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file, or a folder of files.")],
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw lengths and classes to this file.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
    task: Task = "classification",
    id: Id = None,
    time: Time = None,
    features: Features = None,
    label: Label = None,
    text: Text = None,
    layout: LayoutOption = None,
    separator: Separator = None,
) -> None:
    """Show what is in a file: its columns, lengths, classes and gaps; or what a model file is."""
    refuse_dataset(file)
    if file.is_file() and file.stat().st_size and is_ours(file, "model"):
        options = TableOptions(id, time, features, label, layout, separator, text=text)
        refuse_idle(str(file), {"--plot": plot, **options.given})
        found = found_in_model(file)
        for line in [dumps(found)] if as_json else in_lines(found):
            (say if as_json else say_in_words)(line)
        check_delivered()
        return
    target = None if plot is None else Target(plot, "--plot", "picture", force)
    check_targets([target], [file])
    if plot is not None:
        from elman.cli.picture import check_drawable

        check_drawable(plot)
    from elman.cli.tables import reading_bar
    from elman.reading.info import features_in_words
    from elman.reading.read import read_raw

    options = TableOptions(id, time, features, label, layout, separator, text=text)
    with reading_bar(file) as progress:
        raw = read_raw(file, task=task, progress=progress, **options.keywords)
    found = _found(raw)
    if as_json:
        say(dumps(found))
    else:
        for line in (str(raw.info), features_in_words(raw.sequences.reading), *_lines(found)):
            if line:
                say_in_words(line)
    if target is not None:
        from elman._files import replace_file
        from elman.cli.picture import draw_contents

        picture = draw_contents(raw, target.path)
        place = target.save(partial(replace_file, content=picture))
        if not as_json:
            say(f"picture: {place}")
    check_delivered()


def _found(raw: Raw) -> dict[str, Any]:
    """All that is said, ready for JSON."""
    import numpy as np

    from elman.reading.missing import count_missing

    info, values = raw.info, raw.sequences.values
    absent, infinite = np.isnan(values).sum(axis=0), np.isinf(values).sum(axis=0)
    finite = np.isfinite(values)
    lowest = np.where(finite, values, np.inf).min(axis=0)
    highest = np.where(finite, values, -np.inf).max(axis=0)
    names = info.features
    has_any = lowest <= highest
    return {
        "source": info.source,
        "columns": info.columns,
        "features": names,
        "units": info.units,
        "categories": info.categories,
        "id": info.id,
        "time": info.time,
        "label": info.label,
        "sequences": len(info.ids),
        "steps": int(info.lengths.sum()),
        "lengths": {
            name: float(np.quantile(info.lengths, q))
            for name, q in (("min", 0), ("quarter", 0.25), ("median", 0.5), ("max", 1))
        },
        "missing": count_missing(raw.sequences),
        "infinite": {n: int(k) for n, k in zip(names, infinite, strict=True) if k},
        "empty": [n for n, k in zip(names, absent, strict=True) if k == len(values)],
        "constant": [
            n
            for n, a, b, k in zip(names, lowest, highest, infinite, strict=True)
            if a == b and not k
        ],
        "range": {
            n: [a, b] if any_ else None
            for n, a, b, any_ in zip(names, lowest, highest, has_any, strict=True)
        },
        "classes": None if info.classes is None else [[k, n] for k, n in info.classes.items()],
        "notes": info.notes,
    }


def _lines(found: dict[str, Any]) -> list[str]:
    """The same in words, each line for itself."""
    from elman.reading.info import steps_in_words

    lengths = found["lengths"]
    steps = steps_in_words(*(int(lengths[name]) for name in ("min", "max")))
    if lengths["min"] < lengths["max"]:
        steps += f", half have at most {lengths['median']:,.0f}"
    if found["sequences"] > 1:
        steps += f"; {found['steps']:,} steps in all"
    lines = [f"lengths: {steps}"]
    missing = found["missing"]
    if missing:
        total = sum(missing.values())
        worst = sorted(missing.items(), key=lambda item: -item[1])[:_MOST]
        lines.append(f"missing: {total:,} values: " + ", ".join(f"{n} {k:,}" for n, k in worst))
        lines.append("         elman train needs --missing forward, mean or indicator")
    else:
        lines.append("missing: nothing")
    if found["empty"]:
        lines.append("empty: " + ", ".join(found["empty"][:_MOST]))
        lines.append("       no value anywhere: leave them out, --features A,B,...")
    if found["infinite"]:
        listed = list(found["infinite"].items())[:_MOST]
        lines.append("infinite: " + ", ".join(f"{n} {k:,}" for n, k in listed))
        lines.append("          elman train refuses infinities: correct them")
    if not found["label"]:
        lines.append("label: none; name the column that is to be predicted, --label COLUMN")
    if found["constant"]:
        lines.append("constant: " + ", ".join(found["constant"][:_MOST]))
    for name, unit in found["units"].items():
        lines.append(f"unit: {name} is in {unit}")
    for name, known in found["categories"].items():
        lines.append(f"categories: {name} is {', '.join(known)}")
    if found["classes"] and len(found["classes"]) == 1:
        lines.append("label: one class only; there is nothing to tell apart")
    if found["classes"]:
        total = sum(n for _, n in found["classes"])
        width = max(len(str(k)) for k, _ in found["classes"][:_MOST])
        for k, n in found["classes"][:_MOST]:
            lines.append(f"class {k!s:{width}}  {n:>9,}  {n / total:6.1%}")
        if len(found["classes"]) > _MOST:
            lines.append(f"and {len(found['classes']) - _MOST:,} classes more")
    return lines
