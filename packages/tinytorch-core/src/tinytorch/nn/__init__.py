"""Layers and losses under the names PyTorch gives them: `from tinytorch.nn import Linear`.

Each name is defined in the module of its lesson and imported from there at first use. Modules 09-13
are in tinytorch-arch; where that is not installed, asking for one of their names says so. A folder,
so that `import tinytorch.nn.functional as F` finds the functions.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.arch.attention import MultiHeadAttention as MultiHeadAttention
    from tinytorch.arch.attention import (
        scaled_dot_product_attention as scaled_dot_product_attention,
    )
    from tinytorch.arch.convolutions import AvgPool2d as AvgPool2d
    from tinytorch.arch.convolutions import Conv2d as Conv2d
    from tinytorch.arch.convolutions import Flatten as Flatten
    from tinytorch.arch.convolutions import MaxPool2d as MaxPool2d
    from tinytorch.arch.embeddings import Embedding as Embedding
    from tinytorch.arch.embeddings import PositionalEncoding as PositionalEncoding
    from tinytorch.arch.embeddings import rotary as rotary
    from tinytorch.arch.ops.images import AdaptiveAvgPool2d as AdaptiveAvgPool2d
    from tinytorch.arch.ops.images import Dropout2d as Dropout2d
    from tinytorch.arch.ops.normalization import BatchNorm1d as BatchNorm1d
    from tinytorch.arch.ops.normalization import BatchNorm2d as BatchNorm2d
    from tinytorch.arch.transformers import GPT as GPT
    from tinytorch.arch.transformers import MLP as MLP
    from tinytorch.arch.transformers import LayerNorm as LayerNorm
    from tinytorch.arch.transformers import RMSNorm as RMSNorm
    from tinytorch.arch.transformers import Transformer as Transformer
    from tinytorch.arch.transformers import TransformerBlock as TransformerBlock
    from tinytorch.core.activations import GELU as GELU
    from tinytorch.core.activations import LogSoftmax as LogSoftmax
    from tinytorch.core.activations import ReLU as ReLU
    from tinytorch.core.activations import Sigmoid as Sigmoid
    from tinytorch.core.activations import Softmax as Softmax
    from tinytorch.core.activations import Tanh as Tanh
    from tinytorch.core.layers import Dropout as Dropout
    from tinytorch.core.layers import Linear as Linear
    from tinytorch.core.layers import Module as Module
    from tinytorch.core.layers import Sequential as Sequential
    from tinytorch.core.losses import BCELoss as BCELoss
    from tinytorch.core.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
    from tinytorch.core.losses import CrossEntropyLoss as CrossEntropyLoss
    from tinytorch.core.losses import MSELoss as MSELoss
    from tinytorch.nn import functional as functional

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.core.activations": ("ReLU", "Sigmoid", "Tanh", "GELU", "Softmax", "LogSoftmax"),
        "tinytorch.core.layers": ("Module", "Linear", "Dropout", "Sequential"),
        "tinytorch.core.losses": ("MSELoss", "CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss"),
        "tinytorch.arch.convolutions": (
            "Conv2d",
            "MaxPool2d",
            "AvgPool2d",
            "Flatten",
        ),
        "tinytorch.arch.ops.images": ("AdaptiveAvgPool2d", "Dropout2d"),
        "tinytorch.arch.ops.normalization": ("BatchNorm1d", "BatchNorm2d"),
        "tinytorch.arch.embeddings": ("Embedding", "PositionalEncoding", "rotary"),
        "tinytorch.arch.attention": ("MultiHeadAttention", "scaled_dot_product_attention"),
        "tinytorch.arch.transformers": (
            "LayerNorm",
            "RMSNorm",
            "MLP",
            "TransformerBlock",
            "Transformer",
            "GPT",
        ),
    },
    modules=("tinytorch.nn.functional",),
)
