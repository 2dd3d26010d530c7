"""What the estimators' parameters are called on the command line: messages name what was typed."""

from __future__ import annotations

import re

OPTIONS = {
    "hidden_layer_sizes": "--hidden",
    "cell": "--cell",
    "bidirectional": "--bidirectional",
    "n_members": "--members",
    "learn_initial_state": "--learn-initial-state",
    "readout": "--readout",
    "bias": "--no-bias",
    "standardize": "--standardize",
    "differences": "--differences",
    "frame": "--frame",
    "step_size": "--step-size",
    "tokens": "--tokens",
    "min_frequency": "--min-frequency",
    "engine": "--engine",
    "n_jobs": "--jobs",
    "solver": "--solver",
    "learning_rate_init": "--learning-rate",
    "learning_rate": "--schedule",
    "recurrent_rate": "--recurrent-rate",
    "warmup": "--warmup",
    "batch_size": "--batch-size",
    "tbptt_steps": "--tbptt-steps",
    "clip_norm": "--clip",
    "dropout": "--dropout",
    "recurrent_dropout": "--recurrent-dropout",
    "alpha": "--alpha",
    "momentum": "--momentum",
    "beta_1": "--beta-1",
    "beta_2": "--beta-2",
    "epsilon": "--epsilon",
    "class_weight": "--class-weight",
    "loss": "--loss",
    "quantile": "--quantile",
    "shuffle": "--no-shuffle",
    "random_state": "--seed",
    "max_iter": "--epochs",
    "early_stopping": "--early-stopping",
    "validation_fraction": "--validation-fraction",
    "validation_data": "--validation",
    "n_iter_no_change": "--patience",
    "tol": "--tol",
}

# Those of functions: read_sequences, suggest, explain.
ARGUMENTS = {
    "id": "--id",
    "time": "--time",
    "features": "--features",
    "label": "--label",
    "text": "--text",
    "layout": "--layout",
    "missing": "--missing",
    "separator": "--separator",
    "task": "--task",
    "n_trials": "--trials",
    "cv": "--folds",
    "layer": "--layer",
    "reverse": "--reverse",
    "truncate": "--truncate",
    "step": "--step",
    "test_size": "--test-size",
}

# Parameters as messages write them. Names that are English words count only where Python's form
# around them says that they are meant: "The 'tol' parameter of RNNClassifier", "readout='mean'".
_ALL = {**ARGUMENTS, **OPTIONS}
_NAMES = "|".join(sorted(_ALL, key=len, reverse=True))
_LONG = "|".join(name for name in sorted(OPTIONS, key=len, reverse=True) if "_" in name)
_TEXT = re.compile(r"""'[^']*'|"[^"]*\"""")
_TEXTS = rf"(?:{_TEXT.pattern})(?:(?:, | or )(?:{_TEXT.pattern}))*"
_VALUE = r"(?=\S)(?![^\s,;()]*(?:/|\.[A-Za-z]))"  # a file may be called time=2024.csv
_FORMS = re.compile(
    rf"The '(?P<a>{_NAMES})' parameter of \w+"
    rf"|(?<![\w./'\"])(?P<b>{_NAMES})=(?:(?P<on>True)|(?P<any>\.\.\.|'…')|(?P<texts>{_TEXTS})|{_VALUE})"
    rf"|(?<![\w.'-])(?P<c>{_LONG})(?!\w|\.\w|[(=])"
    rf"|^(?P<d>{_NAMES})(?= must be )"
)
# Values that are called otherwise, with a call around them or without.
_VALUES = {
    "standardize=True": "--standardize all",
    "standardize=False": "--standardize none",
    "differences=False": "--no-differences",
    "bidirectional=False": "--no-bidirectional",
    "tokens=False": "--no-tokens",
    "bias=False": "--no-bias",
    "shuffle=False": "--no-shuffle",
    "frame=None": "--frame none",
    "set early_stopping=False": "leave --early-stopping out",
    "hidden_layer_sizes and cell": "--hidden and --cell",
}
_VALUED = re.compile(rf"RNN\w+\((?P<a>{'|'.join(_VALUES)})\)|(?<![\w.])(?P<b>{'|'.join(_VALUES)})")
_ONE_LAYER = re.compile(r"(?<=hidden_layer_sizes=)\((\d+),\)")
_FRAME = re.compile(r"(?<![\w.])frame=\((\d+), (\d+)\)")
_SAID_TWICE = re.compile(r"(?P<said>(?P<option>--[\w-]+)[^-.;:()]*) \((?P=option)( [^()]*)?\)")


def by_options(message: str) -> str:
    """Write a message of the library with the names of options instead of parameters."""

    def option(match: re.Match[str]) -> str:
        name = _ALL[match["a"] or match["b"] or match["c"] or match["d"]]
        if match["b"] is None or match["on"]:
            return name
        texts = match["texts"] or ""
        return f"{name} " + ("COLUMN" if match["any"] else _TEXT.sub(lambda t: t[0][1:-1], texts))

    message = _ONE_LAYER.sub(r"\1", message)
    message = _FRAME.sub(r"--frame \1:\2", message)
    message = _VALUED.sub(lambda match: _VALUES[match["a"] or match["b"]], message)
    return _SAID_TWICE.sub(r"\g<said>", _FORMS.sub(option, message))
