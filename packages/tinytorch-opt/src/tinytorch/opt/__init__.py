"""Modules 14-19 of TinyTorch: measure a model, then make it smaller and faster.

This version, 0.1.0.dev0, holds none of them yet: the package exists so that its place, its version
and its dependencies are settled. Each module will be one file here (`profiling.py`,
`quantization.py`, `compression.py`, `acceleration.py`, `memoization.py`, `benchmarking.py`), with
export to ONNX in `onnx/` and to small machines in `deploy/`. What it may import is `tinytorch.core`
and `tinytorch.arch`, never `tinytorch.olympics`.
"""

from tinytorch.opt._version import __version__

__all__ = ["__version__"]
