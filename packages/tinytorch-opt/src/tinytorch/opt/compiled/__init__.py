"""Kernels that numba compiles, as the set "compiled": `load()`, then `kernels.use("compiled")`.

    from tinytorch.opt import compiled
    compiled.load()
    with tinytorch.kernels.use("compiled"): ...

NumPy walks through an array once for each step of a formula. A compiled loop takes all steps for
an element while it is in a register. So there is a kernel for what is many steps and little else:
GELU, softmax, layer normalisation, Adam, and the gradient of an embedding. Everything else keeps
its fast form, matrix products above all, which BLAS does better than any loop.

Each is compiled when it is first called, in about a second, and kept on disk by numba. They hold no
lock, so they run in the threads of `BatchParallel`; they start none of their own.

This needs numba, which is not installed unless asked for: pip install "tinytorch-opt[fast]".
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

OPERATIONS = ("adam", "embedding", "gelu", "layer_norm", "softmax")


def load() -> None:
    """Attach the compiled kernels. Raises ImportError, naming the fix, where numba is missing."""
    if find_spec("numba") is None:
        raise ImportError(
            "compiled kernels need numba, which is not installed: "
            'python -m pip install "tinytorch-opt[fast]"'
        )
    for name in OPERATIONS:
        importlib.import_module(f"{__name__}.{name}")
