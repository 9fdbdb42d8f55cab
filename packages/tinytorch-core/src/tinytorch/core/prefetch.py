"""Work done ahead in a background thread: what stands behind `DataLoader(prefetch=...)`. Given.

Left out: several workers. NumPy releases the interpreter's lock while it copies and computes, so
one thread keeps up as long as fetching a batch takes less time than training on it.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from typing import Any


def fetched_ahead(work: Callable[[Any], Any], jobs: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Yield `work(job)` for each job, in order, while a thread computes up to `ahead` in advance.

    An error in `work` is raised here, with its own traceback. The thread sees the context in which
    the first result was asked for. It ends with the jobs, or, when the iterator is closed or
    garbage, after the result it is at.
    """
    ready: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    room = threading.Semaphore(ahead)
    stop = threading.Event()
    finished = object()

    def produce() -> None:
        try:
            for job in jobs:
                room.acquire()
                if stop.is_set():
                    return
                ready.put((work(job), None))
            ready.put((finished, None))
        except BaseException as error:
            ready.put((None, error))

    # a daemon: an iterator that is still alive at the end of the program must not keep it waiting
    context = copy_context()
    thread = threading.Thread(target=context.run, args=(produce,), name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            result, error = ready.get()
            if error is not None:
                raise error
            if result is finished:
                return
            room.release()
            yield result
    finally:
        error = None  # its traceback holds this frame: without this line, a reference cycle
        stop.set()
        room.release()
        # the garbage collector may run in any thread, and in a program that ends no other runs
        if thread is not threading.current_thread() and not sys.is_finalizing():
            thread.join()
