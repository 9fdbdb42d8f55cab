"""What the primitives of module 15 cost, for the profiler: see `costs.py`.

A product of two int8 counts like one of two floats, and a byte like a byte; so what eight bits save
shows in the bytes.
"""

from __future__ import annotations

import numpy as np

from tinytorch.core.primitive import Event
from tinytorch.opt.costs import Cost, bias_steps, cost, moved


@cost("linear_int8")
def linear_int8_cost(event: Event) -> Cost:
    """As `linear`, and the zero point taken from each input."""
    x, weight = event.record.arrays[:2]
    flops = 2 * np.size(event.record.out) * len(weight)
    return Cost(flops, np.size(x) + bias_steps(event), moved(event))


@cost("conv2d_int8")
def conv2d_int8_cost(event: Event) -> Cost:
    """As `conv2d`, and the zero point taken from each input."""
    x, weight = event.record.arrays[:2]
    flops = 2 * np.size(event.record.out) * weight[0].size
    return Cost(flops, np.size(x) + bias_steps(event), moved(event))


@cost("quantize_linear")
def quantize_linear_cost(event: Event) -> Cost:
    """Looked at for NaN, divided, rounded, shifted and cut at two ends: five steps."""
    return Cost(0, 5 * np.size(event.record.out), moved(event))


@cost("dequantize_linear")
def dequantize_linear_cost(event: Event) -> Cost:
    """Multiplied by the scale, after the zero point is taken away if there is one."""
    arrays = event.record.arrays
    steps = 1 + (len(arrays) > 2 and arrays[2] is not None)
    return Cost(0, steps * np.size(event.record.out), moved(event))
