"""Layers and losses under the names PyTorch gives them: `from tinytorch.nn import Linear`.

Each name is defined in the module of its lesson and imported from there at first use. Modules 09-13
are in tinytorch-arch; where that is not installed, asking for one of their names says so.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.arch.attention import MultiHeadAttention as MultiHeadAttention
    from tinytorch.arch.attention import (
        scaled_dot_product_attention as scaled_dot_product_attention,
    )
    from tinytorch.arch.convolutions import AvgPool2d as AvgPool2d
    from tinytorch.arch.convolutions import BatchNorm2d as BatchNorm2d
    from tinytorch.arch.convolutions import Conv2d as Conv2d
    from tinytorch.arch.convolutions import Flatten as Flatten
    from tinytorch.arch.convolutions import MaxPool2d as MaxPool2d
    from tinytorch.arch.embeddings import Embedding as Embedding
    from tinytorch.arch.embeddings import PositionalEncoding as PositionalEncoding
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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        # 02
        "ReLU": "tinytorch.core.activations",
        "Sigmoid": "tinytorch.core.activations",
        "Tanh": "tinytorch.core.activations",
        "GELU": "tinytorch.core.activations",
        "Softmax": "tinytorch.core.activations",
        "LogSoftmax": "tinytorch.core.activations",
        # 03
        "Module": "tinytorch.core.layers",
        "Linear": "tinytorch.core.layers",
        "Dropout": "tinytorch.core.layers",
        "Sequential": "tinytorch.core.layers",
        # 04
        "MSELoss": "tinytorch.core.losses",
        "CrossEntropyLoss": "tinytorch.core.losses",
        "BCELoss": "tinytorch.core.losses",
        "BCEWithLogitsLoss": "tinytorch.core.losses",
        # 09
        "Conv2d": "tinytorch.arch.convolutions",
        "MaxPool2d": "tinytorch.arch.convolutions",
        "AvgPool2d": "tinytorch.arch.convolutions",
        "BatchNorm2d": "tinytorch.arch.convolutions",
        "Flatten": "tinytorch.arch.convolutions",
        # 11
        "Embedding": "tinytorch.arch.embeddings",
        "PositionalEncoding": "tinytorch.arch.embeddings",
        # 12
        "MultiHeadAttention": "tinytorch.arch.attention",
        "scaled_dot_product_attention": "tinytorch.arch.attention",
        # 13
        "LayerNorm": "tinytorch.arch.transformers",
        "RMSNorm": "tinytorch.arch.transformers",
        "MLP": "tinytorch.arch.transformers",
        "TransformerBlock": "tinytorch.arch.transformers",
        "Transformer": "tinytorch.arch.transformers",
        "GPT": "tinytorch.arch.transformers",
    },
)
