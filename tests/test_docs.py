"""The guide's sources: what they must not forget. ``make docs`` proves that they build."""

import re
from pathlib import Path

import pytest

import elman
from elman import equations

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("module", [elman, equations], ids=lambda module: module.__name__)
def test_the_reference_has_every_public_name(module):
    _, *sections = (DOCS / "api.md").read_text("utf-8").split("currentmodule:: ")
    listed = {
        name
        for section in sections
        if section.split()[0] == module.__name__
        for name in re.findall(r"^\.\. auto\w+:: (\w+)$", section, re.MULTILINE)
    }

    assert listed == set(module.__all__)


def test_every_question_is_listed_once_and_answered_once():
    pages = [path.read_text("utf-8") for path in sorted((DOCS / "derivation").glob("*.md"))]
    answered = re.findall(r"^:name: (q-\w+)$", "\n".join(pages), re.MULTILINE)
    listed = re.findall(
        r"^- \[.*\]\(#(q-\w+)\)$", (DOCS / "derivation/index.md").read_text("utf-8"), re.MULTILINE
    )

    assert sorted(listed) == sorted(answered)
    assert len(listed) == len(set(listed))
