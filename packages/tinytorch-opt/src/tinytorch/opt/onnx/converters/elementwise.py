"""Element by element: arithmetic, functions of one number, comparisons, logic, types."""

from __future__ import annotations

import math

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter

BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow"}
LARGER = {"maximum": "Max", "minimum": "Min"}
UNARY = {
    "neg": "Neg", "exp": "Exp", "log": "Log", "abs": "Abs", "sqrt": "Sqrt", "sin": "Sin",
    "cos": "Cos", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "sigmoid": "Sigmoid", "tanh": "Tanh",
}  # fmt: skip
ON_INTEGERS = {"neg", "abs", "sign"}  # the others leave integers as they are
COMPARISONS = {
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}  # fmt: skip
LOGIC = {"logical_and": "And", "logical_or": "Or"}


@converter(*BINARY, *LARGER)
def binary(call: Call) -> str:
    """NumPy has decided the result's type; ONNX wants the operands to have it already."""
    op = (BINARY | LARGER)[call.node.name]
    wanted = call.out_dtype
    if wanted.kind == "b":  # booleans are added and multiplied as 0 and 1
        x, y = (call.as_type(i, np.int64) for i in (0, 1))
        return call.write.cast(call.write.add(op, x, y), bool)
    return str(call.write.add(op, call.as_type(0, wanted), call.as_type(1, wanted)))


@converter(*UNARY)
def unary(call: Call) -> str:
    name, wanted = call.node.name, call.out_dtype
    x = call.as_type(0, wanted)
    if wanted.kind != "f" and name not in ON_INTEGERS:
        return str(call.write.add("Identity", x))
    return str(call.write.add(UNARY[name], x))


@converter("relu")
def relu(call: Call) -> str:
    if call.out_dtype.kind == "f":
        return str(call.write.add("Relu", call.x[0]))
    return str(call.write.add("Max", call.x[0], call.write.constant(0, call.out_dtype)))


@converter("log1p")
def log1p(call: Call) -> str:
    x = call.as_type(0, call.out_dtype)
    one = call.write.constant(1, call.out_dtype)
    return str(call.write.add("Log", call.write.add("Add", x, one)))


@converter("clip")
def clip(call: Call) -> str:
    """The bounds are rounded to the type of x, which is the result's."""
    wanted = call.out_dtype
    bounds = [call.param("low"), call.param("high")]
    names = ["" if b is None else call.write.constant(b, wanted) for b in bounds]
    x = call.as_type(0, wanted)
    if names == ["", ""]:
        return str(call.write.add("Identity", x))
    return str(call.write.add("Clip", x, *names))


@converter("gelu")
def gelu(call: Call) -> str:
    """From opset 20 one node; before, the formula: x / 2 * (1 + tanh(c (x + 0.044715 x^3)))."""
    write, x, dtype = call.write, call.x[0], call.out_dtype
    if write.opset >= 20:
        return str(write.add("Gelu", x, approximate="tanh"))

    def number(value: float) -> str:
        return write.constant(value, dtype)

    cubed = write.add("Mul", write.add("Mul", x, x), x)
    inner = write.add("Add", x, write.add("Mul", cubed, number(0.044715)))
    turned = write.add("Tanh", write.add("Mul", inner, number(math.sqrt(2 / math.pi))))
    half = write.add("Mul", x, number(0.5))
    return str(write.add("Mul", half, write.add("Add", turned, number(1))))


@converter(*COMPARISONS, "not_equal")
def comparison(call: Call) -> str:
    write = call.write
    common = np.result_type(*call.node.record.arrays)
    if common.kind in "iu" or (common.kind == "b" and call.node.name not in ("equal", "not_equal")):
        common = np.dtype(np.int64)
    x, y = (call.as_type(i, common) for i in (0, 1))
    if call.node.name == "not_equal":
        return str(write.add("Not", write.add("Equal", x, y)))
    return str(write.add(COMPARISONS[call.node.name], x, y))


@converter(*LOGIC)
def logic(call: Call) -> str:
    return str(call.write.add(LOGIC[call.node.name], call.as_type(0, bool), call.as_type(1, bool)))


@converter("logical_not")
def logical_not(call: Call) -> str:
    return str(call.write.add("Not", call.as_type(0, bool)))


@converter("isnan")
def isnan(call: Call) -> str:
    return str(call.write.add("IsNaN", floating(call)))


@converter("isfinite")
def isfinite(call: Call) -> str:
    """Neither nan nor infinite."""
    write, x = call.write, floating(call)
    return str(write.add("Not", write.add("Or", write.add("IsNaN", x), write.add("IsInf", x))))


def floating(call: Call) -> str:
    """Operand 0, as floating point if it is none: integers are finite numbers all."""
    return call.x[0] if call.dtype(0).kind == "f" else call.as_type(0, np.float32)


@converter("clone")
def clone(call: Call) -> str:
    return str(call.write.add("Identity", call.x[0]))


@converter("cast", "convert")
def cast(call: Call) -> str:
    return call.write.cast(call.x[0], call.out_dtype)
