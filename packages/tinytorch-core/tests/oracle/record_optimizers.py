"""Write down how PyTorch's optimizers move two parameters: run this to make optimizers.json anew.

    python record_optimizers.py

Gradients come from `gradient` below, in NumPy, so that nothing but the optimizer differs.
"""

import json
from pathlib import Path

import numpy as np
import torch

STEPS = (1, 2, 10, 50)
START = [[[0.5, -1.25], [2.0, 0.0], [-0.75, 3.0]], [1.0, -2.0, 0.25, 0.0]]
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "betas": [0.5, 0.9], "eps": 1e-6, "weight_decay": 0.2}),
]


def gradient(x: np.ndarray, step: int) -> np.ndarray:
    """A bowl with ripples around 0.5 that sways from step to step."""
    return (x - np.float32(0.5)) + np.float32(0.3) * np.sin(3 * x + np.float32(step))


def trajectory(name: str, options: dict[str, object]) -> dict[str, object]:
    parameters = [torch.tensor(start, requires_grad=True) for start in START]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    seen = {}
    for step in range(1, max(STEPS) + 1):
        for parameter in parameters:
            parameter.grad = torch.from_numpy(gradient(parameter.detach().numpy(), step))
        optimizer.step()
        if step in STEPS:
            seen[str(step)] = [np.float64(p.detach().numpy()).round(7).tolist() for p in parameters]
    return {"optimizer": name, "options": options, "after_step": seen}


if __name__ == "__main__":
    record = {
        "origin": f"PyTorch {torch.__version__}, record_optimizers.py",
        "start": START,
        "cases": [trajectory(*case) for case in CASES],
    }
    lines = json.dumps(record, indent=None).replace('{"optimizer"', '\n{"optimizer"')
    Path(__file__).with_name("optimizers.json").write_text(lines + "\n", encoding="utf-8")
