"""ONNX: models of TinyTorch as files that other programs run.

    from tinytorch.opt.onnx import export
    export(model, example, "model.onnx")

It needs the package onnx: python -m pip install "tinytorch-opt[onnx]".
"""

try:
    import onnx as _onnx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tinytorch.opt.onnx needs the package onnx, which is not installed: "
        'python -m pip install "tinytorch-opt[onnx]"',
        name="onnx",
    ) from error

from tinytorch.opt.onnx.calls import CONVERTERS, Call, ExportError, converter
from tinytorch.opt.onnx.composites import composite
from tinytorch.opt.onnx.exporting import export
from tinytorch.opt.onnx.importing import import_
from tinytorch.opt.onnx.language_models import export_with_cache

__all__ = [
    "CONVERTERS",
    "Call",
    "ExportError",
    "composite",
    "converter",
    "export",
    "export_with_cache",
    "import_",
]
