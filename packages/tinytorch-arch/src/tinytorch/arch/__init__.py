"""Modules 09-13 of TinyTorch: convolutions, tokenization, embeddings, attention, transformers.

This version, 0.1.0.dev0, holds none of them yet: the package exists so that its place, its version
and its dependencies are settled. Each module will be one file here (`convolutions.py` with `Conv2d`
and friends, `tokenization.py`, `embeddings.py`, `attention.py`, `transformers.py`). What it may
import is `tinytorch.core`, never `tinytorch.opt` or `tinytorch.olympics`.
"""

from tinytorch.arch._version import __version__

__all__ = ["__version__"]
