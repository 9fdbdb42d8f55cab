"""The milestone of 2018: what its table holds, that its gates can fail, and where models come from.

The quick recipe on real data is marked slow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch.arch.milestones.photographs import Photographs, painted
from tinytorch.arch.milestones.texts import Text
from tinytorch.arch.milestones.writer import load_writer, save_writer
from tinytorch.arch.models import CifarCNN
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.trained import trained
from tinytorch.arch.transformers import Transformer
from tinytorch.core.milestones.digits import Digits
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.result import Result
from tinytorch.core.milestones.settings import SettingError, changed
from tinytorch.core.serialization import save
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluate
from tinytorch.datasets import Almanac, DrawnDigits
from tinytorch.opt.memoization import Decoding, KVCache
from tinytorch.opt.milestones import m2018, subjects, writing
from tinytorch.opt.milestones.sheet import Line
from tinytorch.opt.surgery import copy_of
from tinytorch.opt.tier import MLPERF
from tinytorch.tito import main
from tinytorch.tito.screen import Screen

SMALL = {
    "calibration": 100,
    "queries": 20,
    "tokens": 20,
    "long": 40,
    "compression_epochs": 1,
    "digits.epochs": 1,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any) -> Path:
    """A folder such as 1998 and 2017 leave, but with networks that were never trained."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    (folder / "1998").mkdir()
    save(CifarCNN(rng=rng).state_dict(), folder / "1998" / "cifar_cnn.safetensors")
    tokenizer = CharTokenizer(Almanac().text)
    gpt = Transformer(tokenizer.vocab_size, 16, 2, 2, context=64, rng=rng)
    for parameter in gpt.parameters():
        parameter.data *= 8  # so that what it writes depends on what it has read
    save_writer(gpt, tokenizer, folder / "gpt.safetensors")
    return folder


@pytest.fixture(scope="module")
def data() -> subjects.Data:
    """Small sets of each kind."""
    return subjects.Data(
        Digits("drawn digits", DrawnDigits("train", 1000), DrawnDigits("test", 300), False),
        Photographs(
            "painted digits", "made by code", painted("train", 200), painted("test", 100), False
        ),
        Text("the almanac", Almanac(), real=False),
    )


@pytest.fixture(scope="module")
def result(models: Path, data: subjects.Data) -> Iterator[Result]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects, "data_for", lambda stage: data)
        yield m2018.run(recipe="quick", changes=SMALL | {"models": str(models)}, show=False)


def stage() -> Stage:
    return Stage(MLPERF, Result("2018", "", "", "quick", {}, 0, {}, {}), Screen(quiet=True), None)


RECIPE = changed(m2018.RECIPES["quick"], SMALL)


def gate(result: Result, what: str) -> Any:
    (found,) = [gate for gate in result.gates if gate.what.startswith(what)]
    return found


def test_every_form_of_every_model_has_a_line(result: Result) -> None:
    lines = [(line["model"], line["form"]) for line in result.numbers["table"]]
    expected = [
        ("LeNet-5", "float32"), ("LeNet-5", "int8"), ("LeNet-5", "packed"),
        ("CIFAR CNN", "float32"), ("CIFAR CNN", "int8"),
        ("GPT", "without a cache"), ("GPT", "with a cache"),
    ]  # fmt: skip
    assert [line for line in lines if "ONNX" not in line[1]] == expected
    for line in result.numbers["table"]:
        assert 0 < line["p50"] <= line["p99"]
        assert line["queries"] >= 20
        assert line["size"] > 5000


def test_other_programs_answer_as_well(result: Result) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")
    found = {(line["model"], line["form"]): line["quality"] for line in result.numbers["table"]}
    for name in ("LeNet-5", "CIFAR CNN"):
        assert found[(name, "ONNX Runtime")] == pytest.approx(found[(name, "float32")], abs=0.002)
        eight = found[(name, "ONNX Runtime, int8")]  # rounds in other places
        assert eight == pytest.approx(found[(name, "int8")], abs=0.01)
    assert ("GPT", "ONNX Runtime, cache") in found


def test_sizes_are_those_of_files_and_int8_is_a_quarter(result: Result) -> None:
    sizes = {(line["model"], line["form"]): line["size"] for line in result.numbers["table"]}
    assert sizes[("LeNet-5", "float32")] > 246_824  # its parameters, and a header
    assert sizes[("LeNet-5", "int8")] < 0.27 * sizes[("LeNet-5", "float32")]
    assert sizes[("LeNet-5", "packed")] < 0.1 * sizes[("LeNet-5", "float32")]
    assert gate(result, "LeNet-5, int8: bytes").value == pytest.approx(0.2539, abs=0.0001)


def test_each_promise_is_a_gate(result: Result) -> None:
    assert [g.what for g in result.gates] == [
        "LeNet-5, int8: bytes of weights and their scales",
        "LeNet-5, int8: accuracy lost",
        "LeNet-5, packed: times smaller",
        "LeNet-5, packed: accuracy lost",
        "CIFAR CNN, int8: bytes of weights and their scales",
        "CIFAR CNN, int8: accuracy lost",
        "GPT: the same text with a cache",
        "GPT: times less to compute with a cache",
        "GPT: times faster with a cache, 40 tokens, processor time",
        "LeNet-5: p99 of one image, milliseconds",
        "CIFAR CNN: p99 of one image, milliseconds",
        "GPT: p99 of one token, milliseconds",
    ]


def test_a_quantisation_that_ruins_a_network_fails(
    data: subjects.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruin(model: Any, batches: Any) -> Any:
        ruined = copy_of(model)
        for parameter in ruined.parameters():
            parameter.data[...] = 0
        return ruined

    monkeypatch.setattr(m2018, "quantize", ruin)
    monkeypatch.setattr(m2018, "save_quantized", lambda model, path: save(model.state_dict(), path))
    at = stage()
    m2018.classifier(at, RECIPE, "LeNet-5", trained("lenet5"), data.digits)
    assert not gate(at.result, "LeNet-5, int8: accuracy lost").passed
    assert not gate(at.result, "LeNet-5, int8: bytes of weights").passed


def test_a_cache_that_forgets_fails(
    models: Path, data: subjects.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    extend = KVCache.extend
    monkeypatch.setattr(KVCache, "extend", lambda self, k, v: extend(self, k * 0.5, -v))
    gpt, tokenizer = load_writer(models / "gpt.safetensors")
    at = stage()
    writing.language_model(at, RECIPE, gpt, tokenizer, data)
    assert not gate(at.result, "GPT: the same text with a cache").passed


def test_an_exported_gpt_that_writes_something_else_is_no_line_but_an_error(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")
    gpt, _ = load_writer(models / "gpt.safetensors")
    monkeypatch.setattr(writing, "stream", lambda *args, **how: iter([0] * 20))
    with pytest.raises(RuntimeError, match="the exported GPT writes another text"):
        writing.in_onnx_runtime(RECIPE, gpt, [1], [], tmp_path / "gpt.onnx")


def test_a_cache_that_saves_no_time_fails(
    models: Path, data: subjects.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpt, _ = load_writer(models / "gpt.safetensors")
    slow = Decoding(16, 40, True, (1, 100), (1.0, 1.5), 0)
    monkeypatch.setattr(writing, "compare_decoding", lambda *args: slow)
    at = stage()
    writing.long_text(at, RECIPE, gpt)
    assert not gate(at.result, "GPT: times faster").passed


def test_what_a_cache_costs_in_quality_is_measured_and_not_copied(
    models: Path, data: subjects.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpt, tokenizer = load_writer(models / "gpt.safetensors")
    unseen = subjects.unseen(data, tokenizer, gpt.context, 2)
    whole = writing.loss_of(writing.at_once(gpt), unseen)
    assert whole == pytest.approx(evaluate(gpt, None, unseen)["loss"], rel=1e-5)
    assert writing.loss_of(writing.in_two_parts(gpt), unseen) == pytest.approx(whole, rel=1e-5)
    extend = KVCache.extend
    monkeypatch.setattr(KVCache, "extend", lambda self, k, v: extend(self, k * 0.5, -v))
    assert writing.loss_of(writing.in_two_parts(gpt), unseen) != pytest.approx(whole, rel=1e-2)


def test_a_packed_network_is_compared_with_one_that_was_trained_for_these_digits(
    data: subjects.Data,
) -> None:
    model = subjects.reader(stage(), RECIPE.digits, data)
    images, labels = data.digits.test.get_batch(np.arange(300))
    of_mnist, learned = (
        (network(Tensor(images)).data.argmax(axis=1) == labels).mean()
        for network in (trained("lenet5"), model)
    )
    assert learned > of_mnist


def test_more_tokens_than_the_writer_reads_are_refused(models: Path) -> None:
    gpt, _ = load_writer(models / "gpt.safetensors")
    with pytest.raises(SettingError, match="tokens=64: the writer reads 64 at once"):
        writing.require_tokens(changed(RECIPE, {"tokens": 64}), gpt)


def test_a_slow_answer_fails() -> None:
    assert Line("m", "float32", 1, 0.5, True, [0.001] * 95 + [0.2] * 5).p99 * 1000 > m2018.SLOWEST
    assert Line("m", "float32", 1, 0.5, True, [0.001] * 1000 + [0.2]).p99 * 1000 < m2018.SLOWEST


def test_a_folder_without_the_models_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"models=.*cifar_cnn.*milestone run 1998 --out"):
        subjects.find(stage(), str(tmp_path), subjects.PHOTOGRAPHS)


def test_what_was_trained_here_is_found_again(tmp_path: Path) -> None:
    at = stage()
    assert subjects.find(at, "", subjects.WRITER) is None
    at.folder = tmp_path
    subjects.keep(at, subjects.WRITER, lambda path: path.write_bytes(b"weights"))
    assert subjects.find(at, "", subjects.WRITER) == tmp_path / "models" / subjects.WRITER


def test_the_record_holds_the_machine_and_reads_as_json(result: Result, tmp_path: Path) -> None:
    path = result.save(tmp_path)
    record = json.loads(path.read_text("utf-8"))
    assert record["numbers"]["machine"]["cores"] >= 1


def test_tito_lists_it_by_both_years(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["milestone", "list"]) == 0
    assert "2018" in capsys.readouterr().out
    assert main(["milestone", "list", "--json"]) == 0
    assert "2024" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TINYTORCH_DATA"), reason="TINYTORCH_DATA is not set")
def test_the_quick_recipe_passes_on_real_data() -> None:
    assert m2018.run(recipe="quick", show=False).passed
