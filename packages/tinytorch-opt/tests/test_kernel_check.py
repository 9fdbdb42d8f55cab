"""The proof of a kernel: a right one passes, and each kind of wrong one is named."""

import numpy as np
import pytest

import tinytorch
import tinytorch.arch.models  # for the primitives and their kernels, before `undo` remembers them
import tinytorch.core.autograd
from tinytorch import Tensor
from tinytorch.core import primitive as door
from tinytorch.core.activations import relu
from tinytorch.core.context import use
from tinytorch.opt.acceleration import bias_gelu_fused, bias_gelu_vectorised, check_kernel
from tinytorch.opt.kernel_check import KernelError


@pytest.fixture(autouse=True)
def undo():
    """Forget primitives, rules and kernels that a test defines."""
    kernels = [door.KERNELS, door._OWN_KERNELS]
    sets = [table for by_name in kernels for table in by_name.values()]
    tables = [door._PRIMITIVES, door.RULES, door._OWN_RULES, *sets, *kernels]
    kept = [table.copy() for table in tables]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)


def forward(arrays, params, saving):
    (x,) = arrays
    return np.where(x > 0, x, np.zeros_like(x)), None


def backward(g, call):
    return g * (call.arrays[0] > 0)


def attach(forward=forward, backward=backward, name="relu"):
    tinytorch.kernels.kernel(name, forward, backward, into="mine")


def wrong(change):
    """A forward that does something to what the right one gives."""

    def other(arrays, params, saving):
        out, saved = forward(arrays, params, saving)
        return change(out), saved

    return other


# Kernels of one's own
def test_a_right_kernel_for_an_installed_primitive_passes_and_serves():
    attach()
    assert check_kernel("relu") == 7 * 2 + 5  # shapes in two types, five of them transposed as well
    x = Tensor([-1.0, 2.0], requires_grad=True)
    with use("mine"):
        out = relu(x)
    assert out.node.kernel.forward is forward


def test_a_right_kernel_for_a_primitive_of_ones_own_passes_and_serves():
    @door.primitive
    def biased_gelu(x, bias):
        return bias_gelu_vectorised(x, bias)

    @door.gradient("biased_gelu")
    def rule(g, call):
        z = call.arrays[0] + call.arrays[1]
        c, k = np.float32(np.sqrt(2 / np.pi)), np.float32(0.044715)
        t = np.tanh(c * (z + k * z**3))
        dz = g * (0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * k * z * z))
        return dz, dz.sum(axis=0)

    ran = []

    def fused(arrays, params, saving):
        x, bias = arrays
        if x.ndim != 2 or bias.ndim != 1:
            return None
        ran.append(x.shape)
        return bias_gelu_fused(x, bias), None

    attach(fused, None, "biased_gelu")
    rng = np.random.default_rng(0)
    case = rng.standard_normal((300, 70), np.float32), rng.standard_normal(70, np.float32)
    assert check_kernel("biased_gelu", case) == 1
    assert len(ran) == 2  # with a gradient, and without
    assert tinytorch.gradcheck(biased_gelu, case[0][:3, :4], case[1][:4])
    with use("mine"):
        biased_gelu(*map(Tensor, case))
    assert len(ran) == 3


def test_operands_of_different_shapes_and_parameters_are_given_as_cases():
    def summed(arrays, params, saving):
        out = np.einsum("ij->i", arrays[0]) if params.get("axis") == 1 else arrays[0].sum()
        return np.asarray(out), None

    attach(summed, None, "sum")
    x = np.random.default_rng(0).standard_normal((4, 5), np.float32)
    assert check_kernel("sum", (x,), (Tensor(x), {"axis": 1})) == 2
    with pytest.raises(KernelError, match=r"^sum\(float32 \(4, 5\), axis=0\) .* value has shape"):
        check_kernel("sum", (x, {"axis": 0}))


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("layer_norm", ((6, 3000), (3000,), (3000,))),
        ("batch_norm2d", ((8, 4, 9, 9), (4,), (4,))),
        ("conv2d", ((4, 3, 12, 12), (5, 3, 3, 3), (5,), {"padding": 1})),
    ],
)
def test_installed_kernels_pass_as_well_those_with_several_outputs_included(name, case):
    rng = np.random.default_rng(0)
    drawn = [c if isinstance(c, dict) else rng.standard_normal(c, np.float32) for c in case]
    assert check_kernel(name, tuple(drawn), into="fast", tolerance=1e-4) == 1


# Wrong ones
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + 0.01, r"^relu\(float32 \(1,\)\) in 'mine': its value at \(0,\) is 0\.387"),
        (lambda y: np.where(y > 5, 5, y).astype(y.dtype), r"value at \(.*\) is 5, and should be"),
        (lambda y: y.astype(np.float32), "its value is float32, and should be float64"),
        (lambda y: y[np.newaxis], r"its value has shape \(1, 1\), and should have \(1,\)"),
        (lambda y: y * np.nan, "its value at .* is nan"),
    ],
)
def test_a_wrong_value_is_named_with_operands_index_and_both_numbers(change, message):
    attach(wrong(change))
    with pytest.raises(KernelError, match=message):
        check_kernel("relu")


def test_a_value_that_is_wrong_only_where_no_gradient_is_wanted_is_found():
    attach(lambda arrays, params, saving: (forward(arrays, params, saving)[0] + (not saving), None))
    with pytest.raises(KernelError, match="value"):
        check_kernel("relu")


def test_a_kernel_that_reads_an_array_in_another_order_is_found():
    attach(lambda arrays, *_: (np.maximum(arrays[0].ravel("K").reshape(arrays[0].shape), 0), None))
    with pytest.raises(KernelError, match="value"):
        check_kernel("relu")


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda g, call: g, "its gradient of operand 0 at .* is .*, and should be 0"),
        (lambda g, call: None, "operand 0 gets no gradient, and by the definition's rule a gradi"),
    ],
)
def test_a_wrong_gradient_is_named(backward, message):
    attach(forward, backward)
    with pytest.raises(KernelError, match=message):
        check_kernel("relu")


def test_a_kernel_that_changes_its_operands_in_place_is_named():
    attach(lambda arrays, *_: (np.maximum(arrays[0], 0, out=arrays[0]), None))
    with pytest.raises(KernelError, match="its forward changed operand 0 in place"):
        check_kernel("relu")
    attach(forward, lambda g, call: np.multiply(call.arrays[0], 0, out=call.arrays[0]) + g)
    with pytest.raises(KernelError, match="its backward changed operand 0 in place"):
        check_kernel("relu")


def test_a_kernel_that_never_ran_proves_nothing():
    attach(lambda *_: None)
    with pytest.raises(KernelError, match="ran in none of 19 cases"):
        check_kernel("relu")


def test_what_cannot_be_checked_is_said_with_the_way_out():
    with pytest.raises(ValueError, match="no primitive called 'rellu'"):
        check_kernel("rellu")
    with pytest.raises(ValueError, match=r"relu has no kernel in the set 'mine' \(there is: fast"):
        check_kernel("relu")
    attach(lambda *_: None, None, "conv2d")
    with pytest.raises(ValueError, match=r"takes no operands of one shape.*check_kernel\(\"conv2d"):
        check_kernel("conv2d")
    attach()
    with pytest.raises(ValueError, match="a case is a tuple of operands, not a ndarray"):
        check_kernel("relu", np.ones(3))
    with pytest.raises(TypeError):
        check_kernel("relu", (np.ones(3), np.ones(3)))
