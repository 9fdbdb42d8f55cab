"""A converter for each primitive of TinyTorch, one small file a family; they register on import."""

from tinytorch.opt.onnx.converters import (
    elementwise,
    images,
    indexing,
    int4,
    integers,
    language,
    losses,
    products,
    quantized,
    reductions,
    refused,
    selection,
    shapes,
)

__all__ = [
    "elementwise",
    "images",
    "indexing",
    "int4",
    "integers",
    "language",
    "losses",
    "products",
    "quantized",
    "reductions",
    "refused",
    "selection",
    "shapes",
]
