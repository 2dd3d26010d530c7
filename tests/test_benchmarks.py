"""The contenders of ``make bench`` that are elman's own compute what they are measured for."""

import sys
from dataclasses import replace

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux alone", allow_module_level=True)

from benchmarks.busy import CONTENDERS as BUSY
from benchmarks.contenders import PREDICT, PREDICT_TRUTH, STEP, STEP_TRUTH, STREAM
from benchmarks.first import CONTENDERS as FIRST
from benchmarks.harness import check
from benchmarks.problems import SIZES, Problem

BATCH = Problem(4, 3, 5, 6)
RAGGED = Problem(4, 3, 5, 6, shortest=2)
ONE = Problem(4, 3, 1, 6)
PARTS = [
    ("step", STEP, STEP_TRUTH, BATCH),
    ("ragged", STEP, STEP_TRUTH, RAGGED),
    ("busy", BUSY, STEP_TRUTH, BATCH),
    ("first", {name: STEP[name] for name in FIRST}, STEP_TRUTH, BATCH),
    ("predict", PREDICT, PREDICT_TRUTH, BATCH),
    ("stream", STREAM, PREDICT_TRUTH, ONE),
]
"""A part of the suite, its contenders, who knows the right results, and a small problem."""


@pytest.mark.parametrize("cell", SIZES)
@pytest.mark.parametrize(
    ("contender", "truth", "problem"),
    [
        pytest.param(contender, truth, problem, id=f"{part}-{name}")
        for part, contenders, truth, problem in PARTS
        for name, contender in contenders.items()
        if contender.package == "elman"
    ],
)
def test_elmans_contenders_run_and_are_right(contender, truth, problem, cell):
    problem = replace(problem, cell=cell)
    run, result = contender.make(problem, 1)
    run()
    _, true_result = truth.make(problem, 1)
    actual, expected = result(), true_result()
    assert actual.keys() == expected.keys()
    check(actual, expected, contender.label)
