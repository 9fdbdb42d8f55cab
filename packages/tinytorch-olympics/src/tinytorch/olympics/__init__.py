"""Module 20 of TinyTorch: the capstone, and the competition it is entered in.

This version, 0.1.0.dev0, holds neither yet: the package exists so that its place, its version and
its dependencies are settled. `capstone.py` and the harness that measures entries will live here.
As the last tier it may import all the others, and none of them imports it.
"""

from tinytorch.olympics._version import __version__

__all__ = ["__version__"]
