"""How many bytes of arrays are alive: from the call that made them until nobody holds them.

A buffer is counted once, however many views look at it, and leaves the count when Python frees it:
a weak reference tells. Left out: what a definition takes and gives back while it runs (temporaries,
a kernel's scratch memory), and what is made between the calls; `tinytorch.measure` sees all that.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from tinytorch.core.primitive import Array
from tinytorch.opt.costs import owner


class LiveMemory:
    """Counts the buffers that it is shown, in bytes.

    live, peak  of what calls made: now, and the most at once
    given       of what calls were handed and no call had made, now: weights, inputs
    given_peak  the most of that at once
    """

    def __init__(self) -> None:
        self.live = self.peak = self.given = self.given_peak = 0
        self._known: dict[int, weakref.ref[Array]] = {}  # by id of the buffer's owner

    def see_given(self, arrays: Iterable[Array]) -> None:
        """Count buffers that are new here, but were not made by a call."""
        for array in arrays:
            buffer = owner(array)
            if id(buffer) not in self._known:
                self.given += buffer.nbytes
                self._watch(buffer, made=False)
        self.given_peak = max(self.given_peak, self.given)

    def see_made(self, arrays: Iterable[Array]) -> int:
        """Count buffers that a call has made; return the bytes of those that are new."""
        new = 0
        for array in arrays:
            buffer = owner(array)
            if id(buffer) not in self._known:
                new += buffer.nbytes
                self._watch(buffer, made=True)
        self.live += new
        self.peak = max(self.peak, self.live)
        return new

    def _watch(self, buffer: Array, *, made: bool) -> None:
        key, size = id(buffer), buffer.nbytes
        # the memory must not keep this object alive, nor this object the memory
        me = weakref.ref(self)

        def gone(_: weakref.ref[Array]) -> None:
            memory = me()
            if memory is not None:
                del memory._known[key]
                if made:
                    memory.live -= size
                else:
                    memory.given -= size

        self._known[key] = weakref.ref(buffer, gone)
