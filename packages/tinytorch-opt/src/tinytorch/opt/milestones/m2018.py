"""2018: MLPerf. What is fast, small and right is no longer said, but measured by common rules.

The models of 1998 and 2017 are profiled, quantised, compressed, given a cache, exported, and asked
one query after the other. Each number of the table comes from that run, on labels that the models
have not seen. Left out: MLPerf's other scenarios (`tito bench --scenario`), its own models, and its
audit: this is in its style, and unofficial.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.milestones import m1998, m2017
from tinytorch.core.layers import Module
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.serialization import save
from tinytorch.core.tensor import Tensor
from tinytorch.opt.compressing import compress
from tinytorch.opt.environment import environment
from tinytorch.opt.milestones import subjects
from tinytorch.opt.milestones.profiled import profile
from tinytorch.opt.milestones.sheet import Line, show
from tinytorch.opt.milestones.writing import language_model, require_tokens
from tinytorch.opt.quantization import quantize
from tinytorch.opt.quantized_files import save_quantized
from tinytorch.opt.scenarios import Answer, accuracy, answers_of, single_stream
from tinytorch.opt.tier import MLPERF

HISTORY = (
    "By 2018 every maker of chips and every lab had numbers of their own, and no two could be "
    "compared. MLPerf fixed the rules: the models, the data, what must stay right, how queries "
    "arrive, and what is timed. P. Mattson and others, MLPerf training benchmark, 2019; V. J. "
    "Reddi and others, MLPerf inference benchmark, 2020; C. Banbury and others, MLPerf Tiny, 2021. "
    "This is in its style, and unofficial."
)


@dataclass(frozen=True)
class Recipe:
    """What is trained where nothing is given, and how long is measured.

    models  a folder with what the milestones 1998 and 2017 wrote; "" means train them here
    """

    models: str = ""
    digits: m1998.LeNetSettings = m1998.LeNetSettings(epochs=3)  # noqa: RUF009  of drawn ones
    photographs: m1998.PhotographSettings = m1998.PhotographSettings()  # noqa: RUF009
    writer: m2017.Recipe = m2017.Recipe()  # noqa: RUF009  (all are immutable)
    calibration: int = 1000  # training images whose ranges make the scales
    queries: int = 1000  # at least, for each row
    tokens: int = 100  # written with a cache and without
    long: int = 512  # and by a writer with more context, where a cache is worth most
    compression_epochs: int = 4


RECIPES = {
    "quick": Recipe(
        photographs=m1998.PhotographSettings(epochs=1),
        writer=m2017.Recipe(steps=100, rounds=1),
        queries=300,
        compression_epochs=2,
    ),
    "full": Recipe(),
}
SLOWEST = 100  # milliseconds, for an image and for a token: below that, nobody waits


@milestone(MLPERF, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Measure three models in all their forms."""
    machine = environment()
    stage.tell(f"Measured on: {machine.line}")
    for warning in machine.warnings:
        stage.screen.notice(warning)
    stage.number("machine", machine.record())
    data = subjects.data_for(stage)
    read = subjects.reader(stage, recipe.digits, data)
    seen = subjects.seer(stage, recipe.models, recipe.photographs, data)
    gpt, tokenizer = subjects.writer(stage, recipe.models, recipe.writer, data)

    require_tokens(recipe, gpt)
    lines = [
        *classifier(stage, recipe, "LeNet-5", read, data.digits, packs=True),
        *classifier(stage, recipe, "CIFAR CNN", seen, data.photographs),
        *language_model(stage, recipe, gpt, tokenizer, data),
    ]
    stage.clear_checkpoints()
    show(stage, lines)
    for line in lines:
        if line.form in ("float32", "with a cache"):
            what = "image" if line.is_accuracy else "token"
            p99 = round(1000 * line.p99, 3)
            stage.gate(f"{line.model}: p99 of one {what}, milliseconds", p99, at_most=SLOWEST)


# Networks that look
def classifier(
    stage: Stage, recipe: Recipe, name: str, model: Module, data: Any, packs: bool = False
) -> list[Line]:
    """Profile a network, quantise it (and pack it), and measure each form on the test images."""
    profile(stage, name, model, Tensor(np.stack(subjects.images(data.test, 1))))
    few = np.arange(min(recipe.calibration, len(data.train)))
    small = quantize(model, [data.train.get_batch(few)[0]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        save(model.state_dict(), path)
        lines = [measured(recipe, name, "float32", answers_of(model), path, data.test)]
        save_quantized(small, path)
        lines.append(measured(recipe, name, "int8", answers_of(small), path, data.test))
        if packs:
            stage.tell(f"{name} is made smaller: half of its channels go, then most weights.")
            packed = compress(
                model, data.train, path, epochs=recipe.compression_epochs, seed=stage.result.seed
            )
            answer = answers_of(packed.model)
            lines.append(measured(recipe, name, "packed", answer, path, data.test))
        for form, exported in (("ONNX Runtime", model), ("ONNX Runtime, int8", small)):
            lines += in_onnx_runtime(recipe, name, form, exported, path, data.test)
    judge(stage, name, lines, weight_bytes(small) / weight_bytes(model), data.real)
    return lines


def judge(stage: Stage, name: str, lines: Sequence[Line], share: float, real: bool) -> None:
    """Hold what a network lost against what it should keep."""
    forms = {line.form: line for line in lines}
    whole = forms["float32"]
    what = f"{name}, int8: bytes of weights and their scales"
    stage.gate(what, share, at_most=0.26, percent=True)
    lost = whole.quality - forms["int8"].quality
    stage.gate(f"{name}, int8: accuracy lost", lost, at_most=0.005, percent=True)
    if (packed := forms.get("packed")) is not None:
        smaller = round(whole.size / packed.size, 1)
        stage.gate(f"{name}, packed: times smaller", smaller, at_least=10)
        lost = whole.quality - packed.quality
        most = 0.01 if real else 0.04  # of drawn digits there are a tenth as many to learn from
        stage.gate(f"{name}, packed: accuracy lost", lost, at_most=most, percent=True)


def weight_bytes(model: Module) -> int:
    """The bytes of all weights with what they are multiplied by, without biases."""
    state = model.state_dict().items()
    return sum(array.nbytes for name, array in state if name.endswith(("weight", "weight_scale")))


def measured(recipe: Recipe, name: str, form: str, answer: Answer, path: Path, test: Any) -> Line:
    """Ask for the whole test set, for accuracy; then one image after the other, for time."""
    images = [
        test.get_batch(np.arange(i, min(i + 500, len(test))))[0] for i in range(0, len(test), 500)
    ]
    samples = [image for batch in images for image in batch]
    right = accuracy(answer, samples, test.labels, batch=500)
    score = single_stream(answer, samples[:1000], min_seconds=1, min_queries=recipe.queries)
    return Line(name, form, path.stat().st_size, right, True, score.latencies)


def in_onnx_runtime(
    recipe: Recipe, name: str, form: str, model: Module, path: Path, test: Any
) -> list[Line]:
    """The same network, exported and run by another program, where that is installed."""
    try:
        from tinytorch.opt.onnx import export
        from tinytorch.opt.onnx.checking import runtime
    except ModuleNotFoundError:
        return []
    proto = export(model, np.stack(subjects.images(test, 2)), path)
    run = runtime(proto)
    if run is None:
        return []
    answer: Callable[[Sequence[Any]], Any] = lambda samples: run({"input": np.stack(samples)})[0]  # noqa: E731
    return [measured(recipe, name, form, answer, path, test)]
