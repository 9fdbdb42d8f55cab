"""Jobs at once: in several threads, in the context of the caller, with BLAS held back."""

import importlib
import threading
from contextvars import ContextVar

import numpy as np
import pytest

from tinytorch.opt import threads

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
setting = ContextVar("setting", default="default")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Forget what was found about BLAS, before and after."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads._blas.cache_clear()
    yield
    threads._blas.cache_clear()


def test_jobs_meet_each_in_a_thread_and_a_context_of_its_own():
    barrier, seen = threading.Barrier(3), []

    def job():
        barrier.wait(timeout=20)
        seen.append((threading.get_ident(), setting.get(), threads.is_share()))
        setting.set("changed")

    token = setting.set("the caller's")
    try:
        threads.at_once([job] * 3)
        assert setting.get() == "the caller's"
    finally:
        setting.reset(token)
    assert len({thread for thread, *_ in seen}) == 3
    assert [rest for _, *rest in seen] == [["the caller's", True]] * 3
    assert not threads.is_share()


def test_settings_of_numpys_floating_point_errors_reach_the_threads():
    def job():
        np.float32(1) / np.float32(0)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.at_once([lambda: None, job])
    with np.errstate(divide="ignore"):
        threads.at_once([job, job])


@pytest.mark.parametrize("place", [0, 1])
def test_an_error_is_raised_when_every_job_has_ended(place):
    ended = threading.Event()
    started = threading.Event()

    def slow():
        started.wait(timeout=20)
        ended.set()

    def failing():
        started.set()
        raise ZeroDivisionError("this one")

    jobs = [slow]
    jobs.insert(place, failing)
    with pytest.raises(ZeroDivisionError, match="this one"):
        threads.at_once(jobs)
    assert ended.is_set()


def test_a_single_job_runs_here():
    seen = []
    threads.at_once([lambda: seen.append(threading.get_ident())])
    assert seen == [threading.get_ident()]


# BLAS
def without_threadpoolctl(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(threads, "cores", lambda: 2)


def test_without_threadpoolctl_the_user_is_told_once_how_to_hold_blas_back(monkeypatch):
    without_threadpoolctl(monkeypatch)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(RuntimeWarning, match="OMP_NUM_THREADS=1, or install threadpoolctl"):
        threads.at_once([lambda: None, lambda: None])
    threads.at_once([lambda: None, lambda: None])  # once is enough: a warning would be an error


@pytest.mark.parametrize("name", NAMES)
def test_where_the_environment_asks_for_one_thread_nobody_is_warned(monkeypatch, name):
    without_threadpoolctl(monkeypatch)
    for other in NAMES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "1")
    threads.at_once([lambda: None, lambda: None])


def test_threadpoolctl_holds_blas_to_one_thread_while_jobs_run_and_no_longer():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="the extra [fast] is not installed")

    def counts():
        return [info["num_threads"] for info in threadpoolctl.threadpool_info()]

    if not any(info["user_api"] == "blas" for info in threadpoolctl.threadpool_info()):
        pytest.skip("threadpoolctl knows no BLAS here")
    inside = []
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = counts()
        threads.at_once([lambda: inside.append(counts()), lambda: None])
        assert counts() == before
    blas = [info["user_api"] == "blas" for info in threadpoolctl.threadpool_info()]
    assert all(n == 1 for n, is_blas in zip(inside[0], blas, strict=True) if is_blas)
