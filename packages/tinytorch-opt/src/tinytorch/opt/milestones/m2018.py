"""2018: MLPerf. What is fast, small and right is no longer said, but measured by common rules.

The models of 1998 and 2017 are profiled, quantised, compressed, given a cache, exported, and asked
one query after the other. Each number of the table comes from that run, on labels that the models
have not seen. Left out: MLPerf's other scenarios (`tito bench --scenario`), its own models, and its
audit: this is in its style, and unofficial.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.generation import stream
from tinytorch.arch.milestones import m1998, m2017
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.transformers import Transformer
from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.serialization import save
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluate
from tinytorch.opt.compressing import compress
from tinytorch.opt.environment import environment
from tinytorch.opt.memoization import caches_for, compare_decoding
from tinytorch.opt.milestones import subjects
from tinytorch.opt.milestones.sheet import Line, show
from tinytorch.opt.profiling import Profiler
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
    photographs: m1998.PhotographSettings = m1998.PhotographSettings()  # noqa: RUF009
    writer: m2017.Recipe = m2017.Recipe()  # noqa: RUF009  (both are immutable)
    calibration: int = 1000  # training images whose ranges make the scales
    queries: int = 1000  # at least, for each row
    tokens: int = 100  # written with a cache and without
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
SLOWEST = 0.1  # seconds, for an image and for a token: below that, nobody waits


@milestone(MLPERF, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Measure three models in all their forms."""
    machine = environment()
    stage.tell(f"Measured on: {machine.line}")
    for warning in machine.warnings:
        stage.screen.notice(warning)
    stage.number("machine", machine.record())
    data = subjects.data_for(stage)
    read = subjects.reader()
    seen = subjects.seer(stage, recipe.models, recipe.photographs, data)
    gpt, tokenizer = subjects.writer(stage, recipe.models, recipe.writer, data)

    lines = [
        *classifier(stage, recipe, "LeNet-5", read, data.digits, packs=True),
        *classifier(stage, recipe, "CIFAR CNN", seen, data.photographs),
        *language_model(stage, recipe, gpt, tokenizer, data),
    ]
    show(stage, lines)
    for line in lines:
        if line.form in ("float32", "with a cache"):
            what = "image" if line.is_accuracy else "token"
            stage.gate(f"{line.model}: p99 of one {what}, seconds", line.p99, at_most=SLOWEST)


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
    share = weight_bytes(small) / weight_bytes(model)
    lost = lines[0].quality - lines[1].quality
    stage.number(f"{name}: bytes of weights, int8 to float32", share)
    stage.gate(f"{name}, int8: bytes of weights", share, at_most=0.26, percent=True)
    stage.gate(f"{name}, int8: accuracy lost", lost, at_most=0.005, percent=True)
    if packs:
        stage.gate(f"{name}, packed: times smaller", lines[0].size / lines[2].size, at_least=10)
        lost = lines[0].quality - lines[2].quality
        stage.gate(f"{name}, packed: accuracy lost", lost, at_most=0.01, percent=True)
    return lines


def profile(stage: Stage, name: str, model: Module, x: Any) -> None:
    """Say where the time of one query goes."""
    with no_grad():
        model(x)
        with Profiler(model) as heard:
            model(x)
    stage.tell(f"{name}, one query: where its time goes.")
    for row in heard.table(limit=4).splitlines():
        stage.screen.line(row)


def weight_bytes(model: Module) -> int:
    """The bytes of all weights, without biases and scales."""
    state = model.state_dict()
    return sum(array.nbytes for name, array in state.items() if name.endswith("weight"))


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


# The network that writes
def language_model(
    stage: Stage, recipe: Recipe, model: Transformer, tokenizer: CharTokenizer, data: subjects.Data
) -> list[Line]:
    """Let the writer write with a cache and without: the same text, and what each token took."""
    prompt = tokenizer.encode("\n")
    profile(stage, "The writer", model, Tensor(np.array([prompt * 32])))
    unseen = subjects.unseen(data, tokenizer, model.context, batches=20)
    loss = evaluate(model, None, unseen)["loss"]
    tokens = min(recipe.tokens, model.context - len(prompt))
    compared = compare_decoding(model, prompt, tokens)
    stage.tell(str(compared))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        save(model.state_dict(), path)
        lines = []
        for form, cached in (("without a cache", False), ("with a cache", True)):
            times: list[float] = []
            while len(times) < recipe.queries:
                past = caches_for(model) if cached else None
                times += token_times(stream(model, prompt, tokens, temperature=0, past=past))
            lines.append(Line("GPT", form, path.stat().st_size, loss, False, times))
        lines += gpt_in_onnx_runtime(recipe, model, prompt, tokens, loss, path)
    stage.number("tokens with a cache: FLOPs less", compared.less)
    stage.gate("GPT: the same text with a cache", float(compared.same), at_least=1)
    stage.gate("GPT: times less to compute with a cache", compared.less, at_least=10)
    return lines


def gpt_in_onnx_runtime(
    recipe: Recipe, model: Transformer, prompt: Sequence[int], n: int, loss: float, path: Path
) -> list[Line]:
    """The same text, written by another program with the exported file, cache included.

    Raises RuntimeError if the texts differ: then the file would not be the model.
    """
    try:
        from tinytorch.opt.onnx import export_with_cache
        from tinytorch.opt.onnx.checking import runtime
    except ModuleNotFoundError:
        return []
    proto = export_with_cache(model, path)
    run = runtime(proto)
    if run is None:
        return []
    names = [value.name for value in proto.graph.input]
    heads = model.blocks[0].attention.n_heads
    empty = np.zeros((1, heads, 0, model.tokens.weight.shape[1] // heads), np.float32)

    def tokens() -> Iterator[int]:
        new, past = np.array([prompt]), [empty] * (len(names) - 1)
        for _ in range(n):
            logits, *past = run(dict(zip(names, [new, *past], strict=True)))
            new = logits[:, -1:].argmax(-1)
            yield int(new[0, 0])

    ours = list(stream(model, prompt, n, temperature=0))
    if (theirs := list(tokens())) != ours:
        raise RuntimeError(f"the exported GPT writes another text: {theirs} instead of {ours}")
    times: list[float] = []
    while len(times) < recipe.queries:
        times += token_times(tokens())
    return [Line("GPT", "ONNX Runtime, cache", path.stat().st_size, loss, False, times)]


def token_times(tokens: Iterator[int]) -> list[float]:
    """Seconds from each token to the next."""
    times = []
    start = time.perf_counter()
    for _ in tokens:
        now = time.perf_counter()
        times.append(now - start)
        start = now
    return times
