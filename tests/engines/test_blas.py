"""One BLAS thread inside, and the setting as found outside."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from elman.engines.blas import one_blas_thread


def n_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def set_threads(n):
    # In a thread that then ends: threadpoolctl heeds the thread that set OpenBLAS, while it lives.
    thread = threading.Thread(target=threadpool_limits, kwargs={"limits": n, "user_api": "blas"})
    thread.start()
    thread.join()


@pytest.fixture
def found():
    """More threads than one, so that a setting left behind shows."""
    (before,) = set(n_threads())
    set_threads(2)
    if n_threads() == [1]:
        pytest.skip("this BLAS has one thread only")
    yield n_threads()
    set_threads(before)


def test_one_inside_and_as_found_outside(found):
    with one_blas_thread():
        assert set(n_threads()) == {1}
    assert n_threads() == found


def test_nested(found):
    with one_blas_thread():
        with one_blas_thread():
            assert set(n_threads()) == {1}
        assert set(n_threads()) == {1}
    assert n_threads() == found


def test_as_found_after_an_error(found):
    with pytest.raises(RuntimeError, match="inside"), one_blas_thread():
        raise RuntimeError("inside")
    assert n_threads() == found


def test_one_inside_another_thread(found):
    with ThreadPoolExecutor(1) as other:
        with one_blas_thread():
            inside = other.submit(n_threads).result(10)
        assert set(inside) == {1}
        assert n_threads() == found


@pytest.mark.parametrize("leaves_last", ["first", "second"])
def test_last_of_two_threads_to_leave_restores(found, leaves_last):
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:  # both live on
        contexts = {"first": one_blas_thread(), "second": one_blas_thread()}
        threads = {"first": first, "second": second}
        for name in ("first", "second"):
            threads[name].submit(contexts[name].__enter__).result(10)
        leaves_first = "second" if leaves_last == "first" else "first"
        threads[leaves_first].submit(contexts[leaves_first].__exit__, None, None, None).result(10)
        assert set(n_threads()) == {1}
        threads[leaves_last].submit(contexts[leaves_last].__exit__, None, None, None).result(10)
        assert n_threads() == found


def test_many_threads_in_and_out(found):
    def work():
        for _ in range(100):
            with one_blas_thread():
                pass

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result(60)
        assert n_threads() == found
