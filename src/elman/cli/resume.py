"""``elman resume``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from elman.cli import options
from elman.cli.evaluate import Json
from elman.cli.ranks import begin_ranks
from elman.cli.request import Request
from elman.cli.training import Training


def resume(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `elman train --checkpoint FILE` writes.")
    ],
    quiet: options.Quiet = False,
    as_json: Json = False,
    jobs: options.Jobs = None,
) -> None:
    """Continue a training that was interrupted or killed.

    The result is the same, to the bit, as without the interruption. FILE knows the data, the
    settings, and where the model goes.

    If the training had ended, the model is written and reported again.
    """
    begin_ranks()
    from sklearn.base import clone

    import elman
    from elman.errors import DataError, ElmanError, ModelFileError
    from elman.estimators.checkpoint import training_of
    from elman.persistence import fitting_together, read_model

    model = read_model(file)
    state = training_of(model, file)
    with fitting_together(file):
        about, has_ended = state["about"], bool(state["run"]["ended"])
    if about is None:
        raise ElmanError(
            f"{file} belongs to a training in a Python program, which has the data. Continue it there: "
            f"fit(…, resume={str(file)!r})."
        )
    try:
        request = replace(Request.from_settings(about), checkpoint=file)
    except (LookupError, TypeError) as error:
        raise ModelFileError(
            f"{file} does not say what `elman train` was asked for: {error!r:.200}. Use the version of "
            "elman that wrote it."
        ) from None
    for path in request.inputs:
        if not path.exists():
            raise FileNotFoundError(
                f"{path}, which {file} was trained on, is not there. Put it back."
            )
    request.check(begins=False)
    estimator: Any = clone(elman.load(file))
    estimator.n_jobs = jobs
    training = Training(
        request,
        request.dataset(),
        estimator,
        resume=file,
        n_before=len(model.settings["history"]),
        has_ended=has_ended,
    )
    found = training.test_digest
    if about.get("test", found) != found:
        raise DataError(
            f"{file} belongs to a training on other data: the sequences for the test are not the same. "
            "Put the data back, or start a new training."
        )
    training.run(form="json" if as_json else "quiet" if quiet else "plain")
