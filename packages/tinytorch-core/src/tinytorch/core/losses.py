"""Module 04: how wrong a prediction is, as one number that can be made smaller.

Four losses, each a primitive: computing them in one step keeps them finite where the composed
formulas overflow. `reduction` is "mean", "sum" or "none" throughout, as in PyTorch. Left out:
their gradients (module 06), class weights, and the losses of other tasks.
"""

import numpy as np

from tinytorch.core.activations import log_softmax
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.hints import target_hint
from tinytorch.core.primitive import Array, primitive
from tinytorch.core.tensor import Tensor

CLASSES = "0 and 1 are the two classes; for more than two use cross_entropy"


def reduce(losses: Array, reduction: str) -> Array:
    """Combine the losses of many examples into one: their mean or sum, or leave them ("none")."""
    if reduction == "mean":
        return np.asarray(np.mean(losses))
    if reduction == "sum":
        return np.sum(losses)
    if reduction == "none":
        return losses
    raise reduction_error(reduction)


def reduction_error(reduction: object) -> ValueError:
    """The error for a reduction that there is not."""
    return ValueError(f'reduction is {reduction!r}; it must be "mean", "sum" or "none"')


def require_probabilities(name: str, values: Array, hint: str, slack: float = 0.0) -> None:
    """Raise ValueError, with a hint, unless all values (any shape) lie in [0, 1], or nearly."""
    if values.size and not (values.min() >= -slack and values.max() <= 1 + slack):
        raise ValueError(
            f"{name} from {values.min():.3g} to {values.max():.3g}, but probabilities lie in "
            f"[0, 1]; {hint}"
        )


def require_same_shape(name: str, prediction: Array, target: Array) -> None:
    """Raise ShapeError unless each prediction has its own target: broadcasting would mix them."""
    if np.shape(prediction) != np.shape(target):
        raise ShapeError(
            f"{name}: predictions of shape {np.shape(prediction)} and targets of shape "
            f"{np.shape(target)} differ; reshape one, target.reshape({np.shape(prediction)})?"
        )


@primitive
def mse_loss(prediction: Array, target: Array, *, reduction: str = "mean") -> Array:
    """The squared difference of each prediction (any shape) and its target (the same shape)."""
    require_same_shape("mse_loss", prediction, target)
    return reduce((prediction - target) ** 2, reduction)


def target_probabilities(logits: Array, target: Array, label_smoothing: float) -> Array:
    """Return what the model should have said: a probability for each class, along axis 1.

    logits (N, C, ...); target (N, ...) of class indices, or (N, C, ...) of probabilities. Label
    smoothing gives a share of the probability to all classes alike (Szegedy et al., "Rethinking
    the Inception Architecture", 2016, section 7).
    """
    classes = logits.shape[1] if logits.ndim > 1 else 0
    if target.shape == logits.shape and target.dtype.kind == "f":
        fix = "for scores, softmax(target, axis=1) first"
        require_probabilities("cross_entropy: targets run", target, fix, slack=1e-3)
        wanted = target
    elif target.shape != logits.shape[:1] + logits.shape[2:] or not classes:
        raise ShapeError(
            f"cross_entropy: logits of shape {logits.shape} need class indices of shape "
            f"{logits.shape[:1] + logits.shape[2:]} or probabilities of the logits' shape; "
            f"the target has shape {target.shape} and holds {target.dtype}"
            + target_hint(logits.shape, target)
        )
    elif target.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: class indices are integers, not {target.dtype}: "
            "target.astype(np.int64)?"
        )
    elif target.size and not (0 <= target.min() and target.max() < classes):
        raise IndexError(
            f"cross_entropy: class indices run from {target.min()} to {target.max()}, "
            f"but there are {classes} classes, 0 to {classes - 1}"
            + (
                "; to leave some out, keep = target.data >= 0, then logits[keep], target[keep]"
                if target.min() < 0
                else ""
            )
        )
    else:
        one_hot = np.eye(classes, dtype=logits.dtype)[target]  # (N, ..., C)
        wanted = np.moveaxis(one_hot, -1, 1)  # (N, C, ...)
    return wanted * (1 - label_smoothing) + label_smoothing / classes


@primitive
def cross_entropy(
    logits: Array, target: Array, *, reduction: str = "mean", label_smoothing: float = 0.0
) -> Array:
    """Minus the log probability that softmax(logits) gives to the wanted class.

    logits (N, C, ...): unnormalised scores of C classes, not probabilities. target: class indices
    (N, ...), or probabilities (N, C, ...). With reduction "none" the result is (N, ...). Raises
    ShapeError, TypeError or IndexError for targets that do not fit.
    """
    wanted = target_probabilities(logits, target, label_smoothing)
    return reduce(-(wanted * log_softmax.definition(logits, axis=1)).sum(axis=1), reduction)


@primitive
def binary_cross_entropy(p: Array, target: Array, *, reduction: str = "mean") -> Array:
    """Minus the log probability of what happened, for events predicted with probability `p`.

    p, target: one shape, in [0, 1]. Logarithms stop at -100, as in PyTorch, so that p = 0 and
    p = 1 stay finite; `binary_cross_entropy_with_logits` has no such edge. Raises ValueError for
    values outside of [0, 1].
    """
    require_same_shape("binary_cross_entropy", p, target)
    fix = "for logits use binary_cross_entropy_with_logits"
    require_probabilities("binary_cross_entropy: p runs", p, fix)
    require_probabilities("binary_cross_entropy: targets run", target, CLASSES, slack=1e-4)
    with np.errstate(divide="ignore"):
        log_p, log_not_p = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    return reduce(-(target * log_p + (1 - target) * log_not_p), reduction)


@primitive
def binary_cross_entropy_with_logits(
    logits: Array, target: Array, *, reduction: str = "mean"
) -> Array:
    """`binary_cross_entropy(sigmoid(logits), target)`, finite for every logit.

    With p = sigmoid(x), -log p = log(1 + exp(-x)); written with |x|, exp cannot overflow. Raises
    ValueError for targets outside of [0, 1].
    """
    require_same_shape("binary_cross_entropy_with_logits", logits, target)
    name = "binary_cross_entropy_with_logits: targets run"
    require_probabilities(name, target, CLASSES, slack=1e-4)
    losses = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    return reduce(losses, reduction)


class Loss:
    """What the layer forms share: how the losses of many examples become one."""

    @explains_arguments
    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise reduction_error(reduction)
        self.reduction = reduction


class MSELoss(Loss):
    """Layer form of `mse_loss`: the squared differences of predictions and targets of one shape.

    `MSELoss()(prediction, target)` -> their mean, shape (); with reduction "none" each, their
    shape.
    """

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        return mse_loss(prediction, target, reduction=self.reduction)


class CrossEntropyLoss(Loss):
    """Layer form of `cross_entropy`: minus the log probability of the wanted class.

    `CrossEntropyLoss()(logits, target)` -> the mean, shape (). logits (N, C, ...) are unnormalised
    scores of C classes, the classes on axis 1; target (N, ...) class indices, or (N, C, ...)
    probabilities, floating point. With reduction "none" the result is (N, ...).

    label_smoothing  the share of probability that all classes get alike, in [0, 1]
    """

    @explains_arguments
    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; it must lie in [0, 1]")
        super().__init__(reduction)
        self.label_smoothing = label_smoothing

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            logits, target, reduction=self.reduction, label_smoothing=self.label_smoothing
        )


class BCELoss(Loss):
    """Layer form of `binary_cross_entropy`, of probabilities: p and target, one shape, in [0, 1].

    `BCELoss()(p, target)` -> the mean, shape (); with reduction "none" each, their shape.
    """

    def __call__(self, p: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(p, target, reduction=self.reduction)


class BCEWithLogitsLoss(Loss):
    """Layer form of `binary_cross_entropy_with_logits`: scores, before any sigmoid.

    `BCEWithLogitsLoss()(logits, target)` -> the mean, shape (); logits and target of one shape,
    targets in [0, 1]. With reduction "none" each, their shape.
    """

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)
