"""Operations under the names PyTorch gives them: `import tinytorch.nn.functional as F`.

Each is the primitive of its lesson. Left out: those whose arguments have another order here
(`layer_norm`, `batch_norm2d`, `pad`), and `dropout`, which draws its mask outside of an operation.
A linear weight is (in, out) here.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.arch.attention import (
        scaled_dot_product_attention as scaled_dot_product_attention,
    )
    from tinytorch.arch.convolutions import avg_pool2d as avg_pool2d
    from tinytorch.arch.convolutions import conv2d as conv2d
    from tinytorch.arch.convolutions import max_pool2d as max_pool2d
    from tinytorch.arch.embeddings import embedding as embedding
    from tinytorch.arch.ops.images import adaptive_avg_pool2d as adaptive_avg_pool2d
    from tinytorch.core.activations import gelu as gelu
    from tinytorch.core.activations import log_softmax as log_softmax
    from tinytorch.core.activations import relu as relu
    from tinytorch.core.activations import sigmoid as sigmoid
    from tinytorch.core.activations import softmax as softmax
    from tinytorch.core.activations import tanh as tanh
    from tinytorch.core.layers import linear as linear
    from tinytorch.core.losses import binary_cross_entropy as binary_cross_entropy
    from tinytorch.core.losses import (
        binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    )
    from tinytorch.core.losses import cross_entropy as cross_entropy
    from tinytorch.core.losses import mse_loss as mse_loss
    from tinytorch.core.ops import one_hot as one_hot

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.core.activations": (
            "relu",
            "sigmoid",
            "tanh",
            "gelu",
            "softmax",
            "log_softmax",
        ),
        "tinytorch.core.layers": ("linear",),
        "tinytorch.core.losses": (
            "mse_loss",
            "cross_entropy",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        ),
        "tinytorch.core.ops": ("one_hot",),
        "tinytorch.arch.convolutions": ("conv2d", "max_pool2d", "avg_pool2d"),
        "tinytorch.arch.ops.images": ("adaptive_avg_pool2d",),
        "tinytorch.arch.embeddings": ("embedding",),
        "tinytorch.arch.attention": ("scaled_dot_product_attention",),
    },
)
