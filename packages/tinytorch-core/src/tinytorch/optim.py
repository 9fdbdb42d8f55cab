"""Optimizers and schedules: `from tinytorch.optim import Adam`.

Each name is defined in the module of its lesson (07, 08) and imported from there at first use.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.core.optimizers import SGD as SGD
    from tinytorch.core.optimizers import Adam as Adam
    from tinytorch.core.optimizers import AdamW as AdamW
    from tinytorch.core.optimizers import Optimizer as Optimizer
    from tinytorch.core.training import CosineSchedule as CosineSchedule
    from tinytorch.core.training import LinearSchedule as LinearSchedule
    from tinytorch.core.training import StepSchedule as StepSchedule
    from tinytorch.core.training import clip_grad_norm as clip_grad_norm
    from tinytorch.core.training import count_steps as count_steps
    from tinytorch.core.training import warm_up as warm_up

__path__: list[str] = []  # so that `import tinytorch.optim.lr_scheduler` is told what it is here

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.core.optimizers": ("Optimizer", "SGD", "Adam", "AdamW"),
        "tinytorch.core.training": (
            "CosineSchedule",
            "LinearSchedule",
            "StepSchedule",
            "warm_up",
            "count_steps",
            "clip_grad_norm",
        ),
    },
)
