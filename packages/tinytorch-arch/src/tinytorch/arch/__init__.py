"""Modules 09-13 of TinyTorch: convolutions, tokenization, embeddings, attention, transformers.

Each module is one file here (`convolutions.py` with `Conv2d` and friends, `tokenization.py`,
`embeddings.py`, `attention.py`, `transformers.py`), with fast kernels beside them in `kernels/`.
What it may import is `tinytorch.core`, never `tinytorch.opt` or `tinytorch.olympics`.
"""

from tinytorch._lazy import lazy_exports
from tinytorch.arch._version import __version__

__all__ = ["__version__"]

__getattr__, __dir__ = lazy_exports(__name__, {})  # a name that is not here says where it is
