"""Products in one thread, while explanations are computed."""

from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import elman
from elman.explanation import explaining, flow, spectra
from elman.explanation.one_thread import one_thread


def threads_of_the_blas():
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def in_a_thread(function):
    thread = Thread(target=function)
    thread.start()
    thread.join()


@pytest.fixture
def seen(monkeypatch):
    """In how many threads products are computed, each time that they are asked for."""
    found = []

    def watched(function):
        def call(*args, **kwargs):
            found.append(threads_of_the_blas())
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(flow, "_reach", watched(flow._reach))
    monkeypatch.setattr(explaining, "check_terms", watched(explaining.check_terms))
    monkeypatch.setattr(spectra.np.linalg, "eigvalsh", watched(np.linalg.eigvalsh))
    monkeypatch.setattr(spectra.np.linalg, "qr", watched(np.linalg.qr))
    with threadpool_limits(2, user_api="blas"):
        if threads_of_the_blas() == {1}:
            pytest.skip("this BLAS has one thread")
        assert threads_of_the_blas() == {2}
        yield found
        assert threads_of_the_blas() == {2}


@pytest.mark.parametrize(
    "compute",
    [
        lambda network, x: elman.gradient_flow(network, x[None], [0]),
        lambda network, x: elman.explain(network, x, 0),
        lambda network, x: spectra.largest_singular([np.eye(3)]),
        lambda network, x: spectra.lyapunov([np.eye(3)[None]], 2),
    ],
    ids=["gradient_flow", "explain", "largest_singular", "lyapunov"],
)
def test_products_are_computed_in_one_thread(seen, compute):
    compute(elman.Network(2, 3, 2, seed=0), np.ones((4, 2)))
    assert seen
    assert all(threads == {1} for threads in seen)


def test_of_several_threads_the_first_takes_the_limit_off():
    (usual,) = threads_of_the_blas()
    # A thread that has ended holds no limit that others could not change.
    in_a_thread(lambda: threadpool_limits(2, user_api="blas"))
    before = threads_of_the_blas()
    if before == {1}:
        pytest.skip("this BLAS has one thread")
    began, go_on, inside = Event(), Event(), []

    @one_thread
    def second():
        inside.append(threads_of_the_blas())
        began.set()
        assert go_on.wait(10)

    thread = Thread(target=second)

    @one_thread
    def first():
        thread.start()
        assert began.wait(10)

    first()
    inside.append(threads_of_the_blas())
    go_on.set()
    thread.join()
    after = threads_of_the_blas()
    in_a_thread(lambda: threadpool_limits(usual, user_api="blas"))
    assert inside == [{1}, before]
    assert after == before


def test_an_error_leaves_the_number_of_threads_as_it_was(seen):
    with pytest.raises(elman.DataError):
        elman.gradient_flow(elman.Network(2, 3, 2, seed=0), np.ones((1, 4, 5)))


def test_decorated_functions_are_what_they_were():
    def double(x: float) -> float:
        """Twice x."""
        return 2 * x

    assert one_thread(double)(3.0) == 6.0
    assert one_thread(double).__doc__ == "Twice x."
