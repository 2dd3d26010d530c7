import pytest


@pytest.fixture(params=[True, False], ids=["label a step", "label a sequence"])
def every_step(request):
    return request.param
