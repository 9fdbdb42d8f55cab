"""TinyTorch: a PyTorch-shaped framework that people build themselves.

`import tinytorch` imports nothing but this file: every name below comes from its module at first
use. The other tiers (`tinytorch.arch`, `tinytorch.opt`, `tinytorch.olympics`) are distributions of
their own that add a folder to this package; the first statement is what lets them.
"""

from pkgutil import extend_path
from typing import TYPE_CHECKING

__path__ = extend_path(__path__, __name__)

from tinytorch._lazy import install as _install_signpost
from tinytorch._lazy import lazy_exports
from tinytorch._version import __version__ as __version__
from tinytorch.course.overlay import install as _install

_install()  # in a student's workspace, their modules stand in for ours
_install_signpost()  # a module that is not there says where it is

# as in PyTorch, all operations stand at the top: tinytorch.zeros, tinytorch.where
_OPERATIONS = """
    abs add all allclose any arange argmax argmin argsort astype broadcast_shapes
    broadcast_to ceil clip clone concatenate cos cumsum div einsum equal exp
    expand_dims eye flatten flip floor from_numpy full full_like gelu getitem greater
    greater_equal isfinite isnan less less_equal linspace log log1p log_softmax
    logical_and logical_not logical_or logsumexp masked_fill matmul max maximum mean
    min minimum mul neg norm not_equal one_hot ones ones_like outer pad permute pow
    prod rand randint randn relu repeat reshape round sigmoid sign sin softmax sort
    split sqrt squeeze stack std sub sum take_along_axis tanh tensor tile topk
    transpose tril triu var where zeros zeros_like
"""

if TYPE_CHECKING:
    from tinytorch import data as data
    from tinytorch import datasets as datasets
    from tinytorch import kernels as kernels
    from tinytorch import nn as nn
    from tinytorch import optim as optim
    from tinytorch.core import ops as ops
    from tinytorch.core.autograd import gradcheck as gradcheck
    from tinytorch.core.checkpoints import load_model as load_model
    from tinytorch.core.context import enable_grad as enable_grad
    from tinytorch.core.context import no_grad as no_grad
    from tinytorch.core.errors import GradientError as GradientError
    from tinytorch.core.errors import ShapeError as ShapeError
    from tinytorch.core.history import EarlyStopping as EarlyStopping
    from tinytorch.core.measurement import measure as measure
    from tinytorch.core.ops import *  # noqa: F403
    from tinytorch.core.random import manual_seed as manual_seed
    from tinytorch.core.serialization import load as load
    from tinytorch.core.serialization import save as save
    from tinytorch.core.tensor import Tensor as Tensor
    from tinytorch.core.training import Trainer as Trainer

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.core.tensor": ("Tensor",),
        "tinytorch.core.context": ("no_grad", "enable_grad"),
        "tinytorch.core.random": ("manual_seed",),
        "tinytorch.core.serialization": ("save", "load"),
        "tinytorch.core.measurement": ("measure",),
        "tinytorch.core.errors": ("ShapeError", "GradientError"),
        "tinytorch.core.autograd": ("gradcheck",),
        "tinytorch.core.training": ("Trainer",),
        "tinytorch.core.history": ("EarlyStopping",),
        "tinytorch.core.checkpoints": ("load_model",),
        "tinytorch.core.ops": tuple(_OPERATIONS.split()),
    },
    modules=(
        "tinytorch.core.ops",
        "tinytorch.data",
        "tinytorch.datasets",
        "tinytorch.kernels",
        "tinytorch.nn",
        "tinytorch.optim",
    ),
)
