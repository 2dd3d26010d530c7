"""A small attack on what elman promises, and the figures of the large one; see ``attack``."""

import json
import os
from pathlib import Path

import pytest

from attack import KINDS, LARGE, attack

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes and limits of POSIX")
REPORT = Path(__file__).parents[1] / "docs" / "attack.json"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_promised_is_kept(kind):
    result = attack(kind)
    assert result.failures == []
    assert result.tries > 10


def test_guide_has_the_figures_of_the_attack_as_it_is():
    report = json.loads(REPORT.read_text("utf-8"))
    assert [result["kind"] for result in report["kinds"]] == [*KINDS.values()]
    for result in report["kinds"]:
        assert result["failures"] == []
        assert sum(result["outcomes"].values()) == result["tries"] > 10 * LARGE
