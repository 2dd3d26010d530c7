"""An explanation in JSON's types (numbers, strings, lists, dicts), and as the content of files."""

from __future__ import annotations

from typing import Any

from elman._json import jsonable
from elman.explanation.numbers import Numbers
from elman.explanation.page.render import render
from elman.explanation.proof import Check, TotalCheck

# fmt: off
_PLAIN = [
    "title", "seed", "classes", "features", "every_step", "layer", "reverse", "offset",
    "cell", "T", "D", "H", "K",
    "truncate", "x", "inputs", "U_frd", "W_frd", "h_unactivated", "h_activated", "gates", "states",
    "h_top", "y_unactivated", "y_activated", "labels", "y", "answering", "losses", "loss", "derivative",
    "output_error", "residual_n5", "of", "held", "sum_error", "truncation",
    "singular", "product_singular", "lyapunov", "reach", "saturated", "verdict",
    "n_terms", "n_proved", "worst_error", "central", "passed",
]
# fmt: on
_PLAIN_UPDATE = ["norm", "max_norm", "clipped", "scale", "learning_rate", "loss_after"]


def as_dict(explanation: Numbers, *, vectors: bool) -> dict[str, Any]:
    """See ``Explanation.to_dict``."""
    ex = explanation
    everything = {"generator": "elman"} | {name: getattr(ex, name) for name in _PLAIN}
    if ex.readout.of_all_steps:  # else it is h_top
        everything |= {"r": ex.r, "reading": [ex.reading(t) for t in ex.answering]}
        everything["entries"] = 1 + ex.entries
    everything["norms"], everything["kinds"] = (
        ex.norms_of_losses,
        ex.kinds_of_losses,
    )  # a row a loss
    everything["readout"] = ex.architecture.readout
    everything["update"] = {name: ex.update[name] for name in _PLAIN_UPDATE}
    everything["checks"] = ex.checks_ and [_with_passed(check) for check in ex.checks_]
    everything["totals"] = ex.totals_ and [_with_passed(check) for check in ex.totals_]
    everything["backward"] = ex.backward_ and [_with_passed(check) for check in ex.backward_]
    if vectors:
        everything["delta"] = [
            of_loss[:t] for of_loss, t in zip(ex.delta_of_losses, ex.answering, strict=True)
        ]
        everything["parameters"] = ex.parameters
        everything["gradients"] = ex.gradients
    return {name: jsonable(value) for name, value in everything.items()}


def _with_passed(check: Check | TotalCheck) -> dict[str, Any]:
    return check._asdict() | {"passed": check.passed}


def json_file(text: str) -> bytes:
    """Return what ``Explanation.to_json`` writes; surrogates in labels are escaped as in JSON."""
    return (text + "\n").encode("utf-8", "backslashreplace")


def html_file(explanation: Numbers, *, step: int | None, command: str | None) -> bytes:
    """Return what ``Explanation.save_html`` writes."""
    page = render(explanation, step=step, command=command)
    return page.encode("utf-8", "xmlcharrefreplace")
