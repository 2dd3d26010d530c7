"""``elman sample``."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import typer

from elman._json import dumps
from elman.cli.evaluate import Json, Model, load_estimator
from elman.cli.options import whole
from elman.cli.output import check_delivered, say
from elman.cli.tables import takes_texts


def sample(
    model: Model,
    prompt: Annotated[str, typer.Option(help="Text to go on from.", metavar="TEXT")] = "",
    n: Annotated[
        int, typer.Option("--n", parser=whole(0), metavar="N", help="Symbols to draw.")
    ] = 200,
    temperature: Annotated[
        float,
        typer.Option(metavar="T", help="Below 1: likely symbols more often; 0: only these."),
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(parser=whole(0), metavar="N", help="The same seed, the same text.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write text with a model that predicts the next symbol.

    Such a model is trained from Python: RNNTagger().fit([text[:-1]], [text[1:]]).
    """
    estimator = load_estimator(model)
    if not hasattr(estimator, "sample"):
        raise typer.BadParameter(
            f"an {type(estimator).__name__} does not predict the next symbol; train an RNNTagger on "
            "texts, with the next symbol at each step for y",
            param_hint="MODEL",
        )
    if not (isfinite(temperature) and temperature >= 0):
        raise typer.BadParameter(
            f"expected a finite number of at least 0; got {temperature}", param_hint="--temperature"
        )
    drawn = estimator.sample(n, _tokens(prompt, estimator), temperature, seed)
    if as_json:
        say(dumps({"model": str(model), "prompt": prompt, "sample": drawn}))
    else:
        text = drawn if isinstance(drawn, str) else " ".join(map(str, drawn))
        between = "" if isinstance(drawn, str) or not prompt else " "
        for line in f"{prompt}{between}{text}".split("\n"):
            say(line)
    check_delivered()


def _tokens(prompt: str, estimator: object) -> str | list[str] | list[int]:
    """The tokens of a prompt: its characters, words, or whole numbers, as the model has them."""
    known = list(getattr(estimator, "vocabulary_", {}))
    if not known or takes_texts(estimator):
        return prompt
    if not isinstance(known[0], str):
        try:
            return [int(word) for word in prompt.split()]
        except ValueError:
            raise typer.BadParameter(
                "the model's tokens are whole numbers; expected some, with spaces between",
                param_hint="--prompt",
            ) from None
    return prompt.split()
