"""What `make test-mutants` proves, it can prove: that an error is noticed is never a mistake."""

from collections import Counter
from dataclasses import replace

import pytest

import mutants
from mutants import MUTANTS

TILES = MUTANTS["the first product left out"]


@pytest.mark.parametrize("name", MUTANTS)
def test_error_can_be_planted(name, tmp_path):
    mutant = MUTANTS[name]
    mutant.plant(mutants.copied(tmp_path))
    source = mutants.PACKAGE / mutants.KERNELS / f"{mutant.kernel}.py"
    copy = tmp_path / "elman" / mutants.KERNELS / f"{mutant.kernel}.py"
    assert copy.read_text() == source.read_text().replace(mutant.right, mutant.wrong)
    assert copy.read_text() != source.read_text()
    compile(copy.read_text(), copy, "exec")


def test_every_kernel_has_some():
    found = Counter(mutant.kernel for mutant in MUTANTS.values())
    kernels = {
        "bidirectional",
        "packing",
        "machine/tiles",
        "machine/functions",
        "machine/pointwise",
    }
    kernels |= {f"panels/{name}" for name in ("training", "steps", "gradients")}
    kernels |= {
        f"rows/{name}" for name in ("training", "streaming", "forward", "answers", "gradients")
    }
    assert kernels <= found.keys()
    assert min(found[kernel] for kernel in kernels) >= 2


@pytest.mark.parametrize("right", ["what is not there", "builder"])
def test_code_that_does_not_stand_there_once_is_refused(right, tmp_path):
    with pytest.raises(ValueError, match=rf"tiles\.py has \d+ times: {right}"):
        replace(TILES, right=right).plant(mutants.copied(tmp_path))


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "noticed by test_product"),
        ({"right": '"add a and b"', "wrong": '"add b and a"'}, "NOT NOTICED"),
        ({"wrong": "k.add_incoming(INDEX(no_such_name)"}, "NOT TRIED"),
        ({"wrong": "k.add_incoming(INDEX((0)"}, "NOT TRIED"),
        ({"tests": replace(TILES.tests, keywords="no_such_test")}, "NOT TRIED"),
    ],
    ids=["an error", "no error", "no code", "no Python", "no tests"],
)
def test_nothing_but_a_failed_assertion_counts(monkeypatch, capsys, changes, outcome):
    tests = replace(TILES.tests, keywords="test_product_is_the_sum and float64")
    monkeypatch.setitem(MUTANTS, "this", replace(TILES, **{"tests": tests} | changes))
    assert mutants.is_noticed("this") == outcome.startswith("noticed")
    assert capsys.readouterr().out.startswith(f"machine/tiles: this: {outcome}")
