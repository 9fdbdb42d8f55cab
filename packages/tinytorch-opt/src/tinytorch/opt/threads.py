"""Jobs in several threads at once, each in the context of the caller: what `parallel.py` runs on.

The pool stays, and so do the scratch arrays that kernels keep for each thread. Left out: what the
jobs are.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tinytorch.opt.environment import cores

_in_a_share: ContextVar[bool] = ContextVar("tinytorch_in_a_share", default=False)


def is_share() -> bool:
    """Whether this code runs in a job of `at_once`: another one inside it would wait for itself."""
    return _in_a_share.get()


def at_once(jobs: Sequence[Callable[[], None]]) -> None:
    """Run all jobs at the same time, the first in this thread; return when every one is done.

    Each sees the context of the caller: gradient mode, kernels. Raises the first job's error.
    """
    here, *others = [_as_a_share(copy_context(), job) for job in jobs]
    with one_blas_thread():
        futures: list[Future[None]] = [pool(len(others)).submit(job) for job in others]
        try:
            here()
        finally:
            wait(futures)
    for future in futures:
        future.result()


def _as_a_share(context: Context, job: Callable[[], None]) -> Callable[[], None]:
    context.run(_in_a_share.set, True)
    return lambda: context.run(job)


@functools.cache
def pool(workers: int) -> ThreadPoolExecutor:
    """The threads that work beside the calling one."""
    return ThreadPoolExecutor(workers, thread_name_prefix="batch-parallel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a forked process has none of the threads


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this block BLAS uses one thread in each of ours: more would only wait for each other.

    BLAS is told by threadpoolctl where that is installed. Where it is not, and the environment
    does not say one thread either, a RuntimeWarning says what to do.
    """
    controller = _blas()
    if controller is None:
        yield
    else:
        with controller.limit(limits=1, user_api="blas"):
            yield


@functools.cache
def _blas() -> Any:
    try:
        return importlib.import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        if cores() > 1 and not any(os.environ.get(name) == "1" for name in names):
            warnings.warn(
                "BLAS may start threads of its own in each thread of BatchParallel, and they slow "
                "each other down. Start Python with OMP_NUM_THREADS=1, or install threadpoolctl: "
                'python -m pip install "tinytorch-opt[fast]"',
                RuntimeWarning,
                stacklevel=2,
            )
        return None
