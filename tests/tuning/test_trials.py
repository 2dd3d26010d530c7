"""Who wins, and the table."""

import math

import numpy as np

from elman.tuning import Trial, as_text
from elman.tuning.trials import decide, rows


def trial(number, *scores, share=1.0, **settings):
    return Trial(number, settings, {share: np.array(scores)} if scores else {})


def test_the_defaults_stay_within_the_standard_error():
    default = trial(0, 0.80, 0.70, 0.60)
    noisy = trial(1, 0.90, 0.60, 0.75, cell="lstm")  # +0.05 in the mean, a standard error of 0.076
    decision = decide([default, noisy])
    assert decision.trial is default
    assert "The defaults stay" in decision.words
    error = np.std([0.10, -0.10, 0.15], ddof=1) / math.sqrt(3)
    assert f"standard error of the difference is {error:.4f}" in decision.words


def test_folds_that_are_hard_for_both_do_not_count():
    default = trial(0, 0.9, 0.5, 0.1)
    better = trial(1, 0.95, 0.56, 0.15, cell="lstm")
    assert decide([default, better]).trial is better


def test_a_larger_share_of_the_training_outweighs_a_score():
    default, short = trial(0, 0.5, 0.5), trial(1, 1.0, 1.0, share=0.25, cell="lstm")
    default.scores[0.25] = np.array([0.4, 0.4])
    full = trial(2, 0.7, 0.8, cell="relu")
    assert decide([default, short, full]).trial is full
    assert decide([default, short]).trial is short  # there is nothing else to compare with
    assert "after 25% of the training" in decide([default, short]).words
    table = rows([default, short, full], full)
    assert [row["settings"] for row in table] == [{"cell": "relu"}, {}, {"cell": "lstm"}]


def test_of_equals_the_one_that_changes_least_wins():
    default = trial(0, 0.5, 0.5)
    much, little = trial(1, 1.0, 1.0, cell="lstm", dropout=0.3), trial(2, 1.0, 1.0, cell="relu")
    assert decide([default, much, little]).trial is little


def test_nothing_to_compare_with():
    assert "no time to compare" in decide([trial(0, 0.5, 0.5), trial(1)]).words
    assert decide([trial(0)]).share == 0


def test_text_is_readable_at_80_columns():
    settings = {"cell": "lstm", "hidden_layer_sizes": (128,), "readout": "mean", "dropout": 0.3}
    trials = [trial(i, 0.5, 0.6, **(settings | {"frame": (i, 1)})) for i in range(1, 20)]
    text = as_text(rows([trial(0, 0.1, 0.2), *trials, trial(20)], trials[3]), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "the defaults" in text
    assert sum("*" in line for line in text.splitlines()) == 1
    assert "more" in text
