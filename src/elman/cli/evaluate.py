"""``elman evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

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
from elman.cli.output import check_delivered, say
from elman.cli.sources import (
    Binary,
    DataDir,
    Source,
    StepsOption,
    is_file,
    is_npz,
    open_dataset,
    refuse_idle,
)

if TYPE_CHECKING:
    from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
    from elman.reading import Info

    Estimator: TypeAlias = RNNClassifier | RNNTagger | RNNRegressor | RNNStepRegressor

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file of `elman train` or save().")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


def evaluate(
    model: Model,
    source: Source,
    data_dir: DataDir = None,
    steps: StepsOption = None,
    binary: Binary = None,
    label: Label = None,
    id: Id = None,
    time: Time = None,
    features: Features = None,
    text: Text = None,
    layout: LayoutOption = None,
    separator: Separator = None,
    as_json: Json = False,
) -> None:
    """Measure a model's accuracy, or its error, on labelled sequences.

    These are the test part of digits or mnist, or all of a FILE.

    A model of `elman train` knows its columns. Name them for a model that was trained on arrays.
    """
    from elman import DataError

    estimator = load_estimator(model, source)
    table = TableOptions(id, time, features, label, layout, separator, text=text)
    if is_file(source):
        refuse_idle(source, {"--data-dir": data_dir, "--steps": steps, "--binary": binary})
        X, y, _ = read_labelled(estimator, source, table)
    else:
        refuse_idle(source, table.given)
        dataset = open_dataset(source, data_dir, steps, binary)
        X, y = dataset.X_test, dataset.y_test
    evaluation = evaluate_estimator(estimator, X, y)
    known = estimator.classes_.tolist() if "classes" in evaluation else []
    unknown = [label for label in evaluation.get("classes", ()) if label not in known]
    if unknown:
        raise DataError(
            f"{source} has labels that the model does not know: {unknown}; it knows "
            f"{known}. Was it trained on other data, or with --binary?"
        )
    if as_json:
        say(dumps({"model": str(model), "source": source, **evaluation}))
    else:
        from elman.cli.console import print_evaluation

        print_evaluation(evaluation, "test" if source in ("digits", "mnist") else source)
    check_delivered()


def read_labelled(
    estimator: Estimator, source: str, table: TableOptions
) -> tuple[Any, Any, Info | None]:
    """Read a file with labels, as the model's was read; and what is in it, but of an .npz file."""
    if is_npz(source):
        from elman.datasets import read_labelled_npz

        refuse_idle(source, table.naming)
        return *read_labelled_npz(source), None
    from elman.cli.tables import read_as_trained

    refuse_naming(estimator, table)
    raw = read_as_trained(estimator, Path(source), labels=True, options=table)
    return raw.sequences, raw.y, raw.info


def refuse_naming(estimator: Estimator, table: TableOptions) -> None:
    """Refuse names of columns where the model knows them."""
    if hasattr(estimator, "reading_"):
        refuse_idle("a model that knows its columns", table.naming)


def load_model(path: Path, source: str | Path | None) -> Any:
    """Load a model file; if the source beside it is one in its place, say so."""
    from elman import load
    from elman.errors import ModelFileError

    try:
        return load(path)
    except ModelFileError as error:
        other = Path(source or "")
        if not other.is_file() or not other.stat().st_size or not is_ours(other, "model"):
            raise
        if is_ours(path, "model"):
            raise
        raise ModelFileError(f"{error} {source} is one: the model comes first.") from None


def load_estimator(path: Path, source: str | Path | None = None) -> Estimator:
    """Load a model file that has to hold an estimator."""
    from elman import Network
    from elman.errors import ModelFileError

    model = load_model(path, source)
    if isinstance(model, Network):
        raise ModelFileError(
            f"{path} holds a Network, which knows no labels; expected an RNNClassifier, RNNTagger, "
            "RNNRegressor or RNNStepRegressor."
        )
    estimator: Estimator = model
    return estimator


def evaluate_estimator(estimator: Estimator, X: Any, y: Any) -> dict[str, Any]:
    """Compare answers with targets. Ready for JSON."""
    from elman import RNNClassifier, RNNTagger

    if isinstance(estimator, RNNClassifier | RNNTagger):
        return _evaluate_labels(estimator, X, y)
    return _evaluate_numbers(estimator, X, y)


def _evaluate_numbers(estimator: RNNRegressor | RNNStepRegressor, X: Any, y: Any) -> dict[str, Any]:
    """Measure the score, and where answers are one for each number, their errors."""
    import numpy as np

    from elman import RNNStepRegressor

    fitted, y_hat, sequences = estimator._outputs(X)
    targets = estimator._examples(y, sequences, None, fitted.answers).targets
    numbers, answers = targets.values, fitted.answers.decoded(y_hat)
    of_steps = isinstance(estimator, RNNStepRegressor)
    evaluation = {
        "score": fitted.answers.score(targets, y_hat),
        "metric": "D²" if estimator.loss == "quantile" else "R²",
        "n": len(numbers),
        "unit": "steps" if of_steps else "sequences",
    }
    if answers.size == numbers.size:
        errors = answers.reshape(numbers.shape) - numbers
        evaluation |= {
            "mean_absolute_error": float(np.abs(errors).mean()),
            "root_mean_squared_error": float(np.sqrt(np.square(errors).mean())),
        }
    return evaluation


def _evaluate_labels(estimator: RNNClassifier | RNNTagger, X: Any, y: Any) -> dict[str, Any]:
    """Compare answers with labels: accuracy, and the confusion matrix."""
    import numpy as np
    from sklearn.utils.multiclass import unique_labels

    from elman import DataError, RNNTagger
    from elman.data.labels import has_step_labels

    is_tagger = isinstance(estimator, RNNTagger)
    if is_tagger != has_step_labels(list(y) if is_tagger else y):
        kinds = ("a label for each step", "one label for each sequence")
        raise DataError(
            f"the model gives {kinds[not is_tagger]}; y has {kinds[is_tagger]}. Use another model."
        )
    fitted, sequences = estimator._checked(X)
    labels = estimator._examples(y, sequences, None, fitted.answers).targets.values
    answers: Any = estimator.predict(X)
    answers = np.concatenate(list(answers)) if is_tagger else answers
    classes = unique_labels(estimator.classes_, labels)
    n, n_right = len(labels), int((answers == labels).sum())
    confusion = np.zeros((len(classes), len(classes)), int)  # scikit-learn's warns of one class
    np.add.at(confusion, (np.searchsorted(classes, labels), np.searchsorted(classes, answers)), 1)
    return {
        "accuracy": n_right / n,  # what score gives, without going through the network again
        "n": n,
        "n_right": n_right,
        "unit": "steps" if is_tagger else "sequences",
        "classes": classes.tolist(),
        "confusion": confusion.tolist(),
    }
