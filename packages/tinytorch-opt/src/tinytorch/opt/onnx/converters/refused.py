"""Primitives that no file can hold: what is said of them instead."""

from __future__ import annotations

from typing import NoReturn

from tinytorch.opt.onnx.calls import Call, converter

WHY = {
    "checkpointed": "it is a step of training; call the model itself, without checkpointing",
    "joined": "it is a step of training; call the model itself, without checkpointing",
    "normalised_heads": "it is a decoder's step that reads a cache; export_with_cache(model) "
    "writes the model with its cache",
    "attended_and_thought": "it is a decoder's step that reads a cache; export_with_cache(model) "
    "writes the model with its cache",
    "batch_parallel": "it is threads over the batch, which a runtime has itself; export the model "
    "that it runs",
}


@converter(*WHY)
def refused(call: Call) -> NoReturn:
    """Raise ExportError with the way out."""
    raise call.refuse(WHY[call.node.name])
