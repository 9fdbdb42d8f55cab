"""Which forms of the operations run: `tinytorch.kernels.use("plain")` or `use("fast")`.

Every operation has a plain definition that a reader can follow, and some have a fast form beside
it, proven equal. `use` chooses; `kernel` attaches a form of your own to an operation. Both are
defined in `tinytorch.core` and imported from there at first use.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.core.context import use as use
    from tinytorch.core.primitive import kernel as kernel

__getattr__, __dir__ = lazy_exports(
    __name__, {"tinytorch.core.context": ("use",), "tinytorch.core.primitive": ("kernel",)}
)
