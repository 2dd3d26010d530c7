"""``elman sample``."""

from __future__ import annotations

from typing import Annotated

import typer

from elman._json import dumps
from elman.cli.evaluate import Json, Model, load_estimator
from elman.cli.output import check_delivered, say


def sample(
    model: Model,
    prompt: Annotated[str, typer.Option(help="What goes before.", metavar="TEXT")] = "",
    n: Annotated[int, typer.Option("--n", min=0, help="How many symbols.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0, help="Below 1 likely symbols come oftener; 0: nothing else.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed draws the same; left out, another.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a text from a model that was trained on the next symbol of each: RNNTagger.sample."""
    estimator = load_estimator(model)
    if not hasattr(estimator, "sample"):
        raise typer.BadParameter(
            f"an {type(estimator).__name__} does not foretell the next symbol; train an RNNTagger on "
            "texts and the same one symbol later",
            param_hint="MODEL",
        )
    given = prompt if prompt == "" or _are_characters(estimator) else prompt.split()
    drawn = estimator.sample(n, given, temperature, seed)
    if as_json:
        say(dumps({"model": str(model), "prompt": prompt, "sample": drawn}))
    else:
        text = drawn if isinstance(drawn, str) else " ".join(map(str, drawn))
        between = "" if isinstance(drawn, str) or not prompt else " "
        for line in f"{prompt}{between}{text}".split("\n"):
            say(line)
    check_delivered()


def _are_characters(estimator: object) -> bool:
    """Whether its tokens are single characters, so that a prompt is a text and no list of words."""
    return all(len(str(token)) == 1 for token in getattr(estimator, "vocabulary_", {}))
