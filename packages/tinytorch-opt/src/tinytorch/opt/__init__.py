"""Modules 14-19 of TinyTorch: measure a model, then make it smaller and faster.

14 `profiling.py`, 15 `quantization.py`, 16 `compression.py`, 17 `acceleration.py`, 18
`memoization.py`, 19 `benchmarking.py`, and beside each what belongs to it; export to ONNX in
`onnx/`. Two files serve most of them: `graph.py`, what a model computes as a list, and
`surgery.py`, a model with some modules exchanged. What it may import is `tinytorch.core` and
`tinytorch.arch`, never `tinytorch.olympics`.
"""

from tinytorch.opt._version import __version__

__all__ = ["__version__"]
