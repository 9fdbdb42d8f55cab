"""Four bits for each weight: the blocks of `Int4Linear` as ONNX has them since opset 21.

Scales stay float16 in the file and are made float32 when it is loaded: the products would be
rounded to float16 otherwise. ONNX Runtime makes one kernel of the three operations, and rounds the
inputs to eight bits in it, unless a session says `session.qdq_matmulnbits_accuracy_level` = "1".
Left out: lower opsets, which have no type for four bits.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tinytorch.opt.graph import State
from tinytorch.opt.int4 import pack, unpack
from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.writer import Array

OPSET = 21


@converter("linear_int4")
def linear_int4(call: Call) -> str:
    """DequantizeLinear with blocks along the inputs, MatMul, Add."""
    write = call.write
    if write.opset < OPSET:
        raise call.refuse(f"weights of four bits need opset {OPSET}: export(..., opset={OPSET})")
    outputs = call.node.record.arrays[2].shape[1]
    zero = [four_bits(call, 3, outputs)] if call.node.record.arrays[3] is not None else []
    weight = write.add(
        "DequantizeLinear", four_bits(call, 1, outputs), call.as_type(2, np.float32), *zero,
        axis=0, block_size=call.param("block"),
    )  # fmt: skip
    y = write.add("MatMul", call.as_type(0, np.float32), weight)
    return str(write.add("Add", y, call.as_type(4, np.float32)) if call.x[4] else y)


def four_bits(call: Call, i: int, outputs: int) -> str:
    """The name of operand i, packed by rows, as (rows, outputs) of int4."""
    source, packed = call.node.inputs[i], call.array(i)
    if not isinstance(source, State) or packed is None:
        raise call.refuse("its weights are not a buffer of the model")
    if source not in call.names.known:
        dims = (len(packed), outputs)
        raw = in_one_row(packed, outputs).tobytes()
        tensor = helper.make_tensor(source.name, TensorProto.INT4, dims, raw, raw=True)
        call.names.keep(source, tensor)
    return call.names.known[source]


def in_one_row(packed: Array, outputs: int) -> Array:
    """Bytes of all rows: ONNX begins no row with a new byte, so odd ones are packed again."""
    return packed if outputs % 2 == 0 else pack(unpack(packed, outputs).reshape(-1))
