"""Every sentence that a verdict may be, in full."""

import numpy as np
import pytest

from elman.explanation.diagnosis import diagnose

GONE = 0.05 ** np.arange(9.0)
THIRD_STEP = "The gradient vanishes: 3 steps back less than a thousandth of the error is left."


@pytest.mark.parametrize(
    ("reach", "saturated", "W", "options", "words"),
    [
        (
            np.full(9, np.nan),
            0.0,
            None,
            {},
            "The output has no error, so there is no gradient to judge.",
        ),
        (
            10.0 ** np.arange(5),
            0.0,
            None,
            {},
            "The gradient explodes: 4 steps back the error is 1e+04 times as large as at the output. "
            "Clip it (clip_norm=1), or lower the learning rate.",
        ),
        (
            np.array([1.0, 0.5]),
            0.031,
            None,
            {},
            "The gradient is healthy: 1 step back the error is 0.5 times as large as at the output. "
            "3% of the units are saturated.",
        ),
        (
            np.array([0.7]),
            0.0,
            None,
            {},
            "The gradient is healthy: at the output's own step the error is 0.7 times as large as at "
            "the output. 0% of the units are saturated.",
        ),
        (
            GONE,
            0.98,
            None,
            {},
            "98% of the units are saturated (at their limits), and let no error through: 3 steps back "
            "less than a thousandth of the error is left. Standardise the inputs, or lower the "
            "learning rate.",
        ),
        (
            GONE,
            0.0,
            0.25 * np.eye(2),
            {},
            f"{THIRD_STEP} W is small: its largest singular value is 0.25. Begin with an orthogonal W, "
            "as a new network does, and lower alpha.",
        ),
        (
            GONE,
            0.0,
            np.eye(2),
            {"of_all_steps": True},
            f"{THIRD_STEP} The network still learns from each step that the output reads. Try "
            'cell="gru" or "lstm", or fewer and larger steps.',
        ),
        (GONE, 0.0, np.eye(2), {"plain": False}, f"{THIRD_STEP} Try fewer and larger steps."),
        (
            GONE,
            0.0,
            np.eye(2),
            {"plain": False, "takes_frames": True},
            f"{THIRD_STEP} Try fewer and larger steps, with frame=(3, 3).",
        ),
    ],
)
def test_words(reach, saturated, W, options, words):
    assert diagnose(reach, saturated, W, **options).words == words
