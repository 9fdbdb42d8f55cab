"""Any of modules 01-08 may be the student's: each mixture with the installed ones trains alike."""

import os
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from tinytorch.core.tier import TIER
from tinytorch.course import overlay
from tinytorch.course.workspace import Workspace

pytestmark = pytest.mark.once

MODULES = [module.module.rpartition(".")[2] for module in TIER.modules]
PROGRAM = """
import numpy as np
from tinytorch import Tensor, manual_seed
from tinytorch.core import autograd
from tinytorch.core.training import Trainer
from tinytorch.course import overlay
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Dropout, GELU, Linear, ReLU, Sequential
from tinytorch.optim import AdamW

manual_seed(0)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((96, 5)), rng.integers(0, 3, 96)
model = Sequential(Linear(5, 16), ReLU(), Dropout(0.1), Linear(16, 8), GELU(), Linear(8, 3))
loader = DataLoader(TensorDataset(x, y), 16, shuffle=True, rng=np.random.default_rng(1))
trainer = Trainer(model, CrossEntropyLoss(), AdamW(model.parameters(), lr=0.01), progress=False)
loss = trainer.fit(loader, epochs=2)[-1]["train_loss"]
print(repr(round(loss, 5)), *sorted(name.rpartition(".")[2] for name in overlay.mine()))
"""


def train(folder: Path, mine: tuple[str, ...]) -> tuple[str, list[str]]:
    """Train with copies of the modules `mine` as the student's; return the loss, and whose ran."""
    workspace = Workspace.create(folder / "ws")
    core = Path(overlay.__file__).parents[1] / "core"
    for name in mine:
        workspace.put(f"core/{name}.py", (core / f"{name}.py").read_text("utf-8"))
        workspace.join(f"core/{name}.py")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, overlay.WORKSPACE: str(workspace.root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    shutil.rmtree(workspace.root)
    assert done.returncode == 0, done.stderr
    loss, *loaded = done.stdout.split()
    return loss, loaded


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The loss that the installed modules alone reach."""
    return pytest.approx(float(train(tmp_path_factory.mktemp("none"), ())[0]), rel=1e-3)


SUBSETS = [subset for size in range(9) for subset in combinations(MODULES, size)]
FEW = [s for s in SUBSETS if len(s) in (0, 1, 8)] + [tuple(MODULES[:4]), tuple(MODULES[5:])]


@pytest.mark.parametrize("mine", FEW, ids="-".join)
def test_a_mixture_trains_like_the_reference_and_runs_what_was_written(tmp_path, mine, reference):
    loss, loaded = train(tmp_path, mine)
    assert loaded == sorted(mine)
    # kernels serve only installed definitions, so the last digits may differ
    assert float(loss) == reference


@pytest.mark.slow
def test_all_256_mixtures_train_like_the_reference(tmp_path, reference):
    for mine in SUBSETS:
        loss, loaded = train(tmp_path, mine)
        assert loaded == sorted(mine)
        assert float(loss) == reference, mine
