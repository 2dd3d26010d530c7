"""The pages that the tests of what a page says look at."""

import pytest

from pages import CASES, page_of


@pytest.fixture(params=CASES)
def shown(request):
    return page_of(request.param)


@pytest.fixture
def pictures(shown):
    return shown.outline.pictures
