"""What users of PyTorch and NumPy type, and what it is called here: the words for errors.

Five tables: attributes of a tensor and of a module, names in a front door, arguments of a call,
and NumPy's functions. An error says them where a name is not found, so that a habit costs one look
and no search. Left out: names that mean the same in both, and what TinyTorch does not have at all.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, ParamSpec, TypeVar

from tinytorch.core.late import late

_CPU = "nothing: every tensor is on the CPU"

# x.name
ATTRIBUTES = {
    "add_": "x = x + y, or x.data += y inside no_grad()",
    "argsort": "tinytorch.argsort(x, axis=...)",
    "chunk": "tinytorch.split(x, sections=..., axis=...)",
    "copy_": "x.data[...] = array",
    "cpu": _CPU,
    "cuda": _CPU,
    "device": _CPU,
    "dim": "x.ndim",
    "expand": "x.broadcast_to(...)",
    "fill_": "x.data[...] = value",
    "float": "x.astype(np.float32)",
    "gather": "tinytorch.take_along_axis(x, indices, axis=...)",
    "gelu": "tinytorch.gelu(x)",
    "grad_fn": "x.node",
    "half": "x.astype(np.float16)",
    "log_softmax": "tinytorch.log_softmax(x, axis=...)",
    "long": "x.astype(np.int64)",
    "masked_fill": "tinytorch.masked_fill(x, mask, value=...)",
    "mul_": "x = x * y, or x.data *= y inside no_grad()",
    "norm": "tinytorch.norm(x, axis=...)",
    "numel": "x.size",
    "relu": "tinytorch.relu(x)",
    "repeat": "tinytorch.tile(x, reps=...); tinytorch.repeat repeats each element",
    "requires_grad_": "x.requires_grad = True",
    "sigmoid": "tinytorch.sigmoid(x)",
    "softmax": "tinytorch.softmax(x, axis=...)",
    "sort": "tinytorch.sort(x, axis=...)",
    "split": "tinytorch.split(x, sections=..., axis=...)",
    "t": "x.T",
    "tanh": "tinytorch.tanh(x)",
    "to": "x.astype(dtype)",
    "topk": "tinytorch.topk(x, k, axis=...)",
    "type": "x.astype(dtype)",
    "unsqueeze": "x.expand_dims(axis)",
    "view": "x.reshape(...)",
    "zero_": "x.data[...] = 0",
}

# model.name
MODULES = {
    "add_module": "an attribute: model.name = module",
    "append": "model.layers.append(layer)",
    "apply": "for module in model.modules(): ...",
    "buffers": "model.state_dict(), which holds parameters and buffers",
    "compile": "nothing: kernels are chosen by tinytorch.kernels.use",
    "cpu": _CPU,
    "cuda": _CPU,
    "double": "for p in model.parameters(): p.data = p.data.astype(np.float64)",
    "extend": "model.layers.extend(layers)",
    "float": "nothing: parameters are float32",
    "get_submodule": "dict(model.named_modules())[name]",
    "half": "for p in model.parameters(): p.data = p.data.astype(np.float16)",
    "insert": "model.layers.insert(index, layer)",
    "named_buffers": "model.state_dict(), which holds parameters and buffers",
    "named_children": "model.children().items()",
    "register_forward_hook": "tinytorch.core.context.listening",
    "register_module": "an attribute: model.name = module",
    "register_parameter": "an attribute: model.name = Tensor(data, requires_grad=True)",
    "to": _CPU,
    "type": "for p in model.parameters(): p.data = p.data.astype(dtype)",
}

_PICTURES = "Conv2d, with images of one row: x.expand_dims(2), kernel_size=(1, k)"
_RECURRENT = "nothing: sequences are read by attention, tinytorch.nn.Transformer"

# module.name
NAMES = {
    "tinytorch": {
        "as_tensor": "tinytorch.Tensor(data), or tinytorch.from_numpy(array) to share its memory",
        "autograd": "x.backward(), tinytorch.gradcheck, tinytorch.no_grad",
        "bmm": "tinytorch.matmul(x, y), or x @ y",
        "cat": "tinytorch.concatenate(tensors, axis=...)",
        "chunk": "tinytorch.split(x, sections=..., axis=...)",
        "clamp": "tinytorch.clip(x, low=..., high=...)",
        "cuda": _CPU,
        "device": _CPU,
        "dot": "x @ y",
        "empty": "tinytorch.zeros(...)",
        "float": "np.float32",
        "FloatTensor": "tinytorch.Tensor(data)",
        "float32": "np.float32",
        "float64": "np.float64",
        "gather": "tinytorch.take_along_axis(x, indices, axis=...)",
        "Generator": "np.random.default_rng(seed)",
        "hstack": "tinytorch.concatenate(tensors, axis=1)",
        "inference_mode": "tinytorch.no_grad()",
        "int64": "np.int64",
        "is_tensor": "isinstance(x, tinytorch.Tensor)",
        "long": "np.int64",
        "LongTensor": "tinytorch.Tensor(data), which keeps integers",
        "mm": "tinytorch.matmul(x, y), or x @ y",
        "set_grad_enabled": "tinytorch.no_grad() and tinytorch.enable_grad()",
        "unsqueeze": "tinytorch.expand_dims(x, axis=...)",
        "utils": "tinytorch.data",
        "vstack": "tinytorch.concatenate(tensors, axis=0)",
    },
    "tinytorch.nn": {
        "BPETokenizer": "from tinytorch.data import BPETokenizer",
        "CharTokenizer": "from tinytorch.data import CharTokenizer",
        "Conv1d": _PICTURES,
        "GRU": _RECURRENT,
        "Identity": "lambda x: x, because Sequential takes functions too",
        "init": "kaiming_uniform, xavier_uniform and uniform in tinytorch.core.layers",
        "LeNet5": "from tinytorch.arch.models import LeNet5",
        "LSTM": _RECURRENT,
        "ModuleDict": "a plain dict of modules, in an attribute",
        "ModuleList": "a plain list of modules, in an attribute",
        "MultiheadAttention": "MultiHeadAttention(d_model, n_heads)",
        "NLLLoss": "CrossEntropyLoss, which takes logits",
        "Parameter": "Tensor(data, requires_grad=True), in an attribute of the module",
        "ParameterDict": "a plain dict of tensors, in an attribute",
        "ParameterList": "a plain list of tensors, in an attribute",
        "RNN": _RECURRENT,
        "utils": "tinytorch.optim.clip_grad_norm",
    },
    "tinytorch.nn.functional": {
        "batch_norm": "the layer BatchNorm2d",
        "dropout": "the layer Dropout, which knows whether the model trains",
        "layer_norm": "the layer LayerNorm",
        "max_pool1d": "max_pool2d, with images of one row: x.expand_dims(2)",
        "conv1d": "conv2d, with images of one row: x.expand_dims(2)",
        "nll_loss": "cross_entropy, which takes logits",
        "normalize": "x / tinytorch.norm(x, axis=-1, keepdims=True)",
        "pad": "tinytorch.pad, which takes a pair for each axis, as NumPy does",
    },
    "tinytorch.optim": {
        "clip_grad_norm_": "clip_grad_norm",
        "lr_scheduler": "CosineSchedule, LinearSchedule, StepSchedule: Trainer(..., schedule=...)",
    },
    "tinytorch.data": {
        "default_collate": "what DataLoader does anyway; DataLoader(..., collate=...) changes it",
        "IterableDataset": "any iterable of batches (x, y): Trainer takes it as it is",
    },
    "tinytorch.datasets": {"transforms": "tinytorch.data.transforms"},
    "tinytorch.arch": {
        "BPETokenizer": "from tinytorch.data import BPETokenizer",
        "CharTokenizer": "from tinytorch.data import CharTokenizer",
        "CifarCNN": "from tinytorch.arch.models import CifarCNN",
        "Conv2d": "from tinytorch.nn import Conv2d",
        "LeNet5": "from tinytorch.arch.models import LeNet5",
        "Transformer": "from tinytorch.nn import Transformer",
    },
}

# call(argument=...)
ARGUMENTS = {
    "approximate": "nothing: gelu is the tanh formula",
    "attn_mask": "mask, booleans: True may attend",
    "batch_first": "nothing: the batch is the first axis, always",
    "ceil_mode": "nothing: what does not fill a kernel is left out",
    "collate_fn": "collate",
    "device": _CPU,
    "dim": "axis",
    "dim0": "axis0",
    "dim1": "axis1",
    "dim_feedforward": "hidden",
    "do_sample": "temperature: 0 takes the likeliest token, above 0 tokens are drawn",
    "dropout": "nothing: models drop what a block adds, TransformerBlock(..., dropout=p)",
    "dropout_p": "nothing: models drop what a block adds, TransformerBlock(..., dropout=p)",
    "dtype": "astype(dtype), of what goes in or comes out",
    "elementwise_affine": "nothing: there are always weights; bias=False leaves the bias out",
    "embed_dim": "d_model",
    "end_dim": "end_axis",
    "eos_token_id": "stop",
    "generator": "rng, such as np.random.default_rng(seed)",
    "ignore_index": "the examples themselves: keep = target.data != index, then logits[keep], "
    "target[keep]",
    "inplace": "nothing: an operation makes a new tensor",
    "keepdim": "keepdims",
    "key_padding_mask": "mask[:, None, None, :], booleans: True may attend",
    "max_new_tokens": "n",
    "need_weights": "attention_map(x), which returns the weights",
    "nhead": "n_heads",
    "normalized_shape": "features, the size of the last axis",
    "num_classes": "classes",
    "num_heads": "n_heads",
    "num_layers": "n_layers",
    "num_workers": "prefetch, how many batches a background thread keeps ready",
    "out": "what the call returns",
    "padding_mode": "nothing: the margin is zeros",
    "pin_memory": _CPU,
    "pos_weight": 'reduction="none", and a weight times each loss',
    "return_indices": "nothing: only the largest values are returned",
    "root": "the environment variable TINYTORCH_DATA, which names a folder to read from",
    "set_to_none": "nothing: zero_grad() sets each .grad to None",
    "size": "shape",
    "start_dim": "start_axis",
    "topk": "top_k",
    "track_running_stats": "nothing: running statistics are always kept",
    "train": 'split="train" or split="test"',
    "transform": "the transform of tinytorch.data.DataLoader",
    "unbiased": "correction, 1 or 0",
    "vocab_size": "vocab",
    "weight": 'reduction="none", and a weight times each loss',
}


class Elsewhere:
    """A name that a user of PyTorch may look for: an AttributeError that says what it is here.

    A `__getattr__` would do the same for all names, and make each attribute of a tensor slower.
    """

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        kind = owner.__name__ if owner is not None else type(instance).__name__
        raise AttributeError(
            f"{kind!r} object has no attribute {self.name!r}; here that is {self.instead}"
        )


C = TypeVar("C", bound=type)


def explains_attributes(table: Mapping[str, str]) -> Callable[[C], C]:
    """Decorate a class: the names in `table`, which it does not have, say what they are here."""

    def on(cls: C) -> C:
        for name, instead in table.items():
            words = Elsewhere(instead)
            words.__set_name__(cls, name)
            setattr(cls, name, words)
        return cls

    return on


def argument_error(call: str, error: TypeError) -> TypeError | None:
    """Say what an argument is called here, where `error` is that `call` does not know it."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return None if found is None else unknown(call, found[1])


def unknown(call: str, argument: str) -> TypeError | None:
    """The error for an argument that `call` does not know; None where nobody would expect it."""
    if argument not in ARGUMENTS:
        return None
    return TypeError(f"{call}() has no argument {argument!r}; here that is {ARGUMENTS[argument]}")


# np.name(x), where the name differs
UFUNCS = {
    "absolute": "abs",
    "divide": "div",
    "float_power": "pow",
    "invert": "logical_not",
    "multiply": "mul",
    "negative": "neg",
    "power": "pow",
    "rint": "round",
    "subtract": "sub",
}


def ufunc_error(name: str, x: object) -> TypeError:
    """Say what to write in place of NumPy's function `name` of the tensor `x`."""
    ours = UFUNCS.get(name, name)
    known = ours in late("ops").__all__
    ways = [f"tinytorch.{ours}"] if known else []
    ways += [f"x.{ours}()"] if known and hasattr(x, ours) else []
    ways += [f"np.{name}(x.data) for an array"]
    return TypeError(
        f"np.{name} takes no tensor, because it would leave no record for backward(). "
        f"Use {', or '.join(ways)}"
    )


P = ParamSpec("P")
R = TypeVar("R")


def explains_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate an `__init__`: an argument that only PyTorch has is told by its name here.

    Not for what is called often: the call in between takes a sixth of a microsecond.
    """
    makes = function.__name__ == "__init__"
    parameters = frozenset(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            name = type(args[0]).__name__ if makes and args else function.__qualname__
            told = argument_error(name, error)
            if told is None and "missing" in str(error):  # it may be there by another name
                strange = (word for word in kwargs if word not in parameters)
                told = next(filter(None, (unknown(name, word) for word in strange)), None)
            if told is None:
                raise
            raise told from None

    return call
