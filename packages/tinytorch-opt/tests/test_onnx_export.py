"""What an exported file promises: names, sizes that change, the model's answers, or a refusal."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")

from tinytorch import Tensor  # noqa: E402
from tinytorch.arch import models  # noqa: E402
from tinytorch.arch.embeddings import rotary  # noqa: E402
from tinytorch.core.activations import gelu, relu, tanh  # noqa: E402
from tinytorch.core.layers import Linear, Module, Sequential  # noqa: E402
from tinytorch.core.primitive import primitive  # noqa: E402
from tinytorch.nn import (  # noqa: E402
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Sigmoid,
    TransformerBlock,
)
from tinytorch.opt.onnx import (  # noqa: E402
    Call,
    ExportError,
    checking,
    converter,
    export,
    export_with_cache,
)
from tinytorch.opt.onnx.calls import CONVERTERS  # noqa: E402
from tinytorch.opt.onnx.checking import reference, runtime  # noqa: E402
from tinytorch.opt.onnx.tracing import traces  # noqa: E402

NETWORKS = [
    (models.LeNet5, (1, 28, 28)),
    (models.CifarCNN, (3, 32, 32)),
    (models.ResNet8, (3, 32, 32)),
    (models.DSCNN, (1, 49, 10)),
    (models.MobileNetV1, (3, 96, 96)),
    (models.AutoEncoder, (640,)),
    (models.DigitViT, (1, 28, 28)),
]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sizes_of(value: Any) -> list[Any]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def lived_in(model: Module) -> Module:
    """A model whose running means and variances are not those of the start."""
    rng = np.random.default_rng(7)
    for module in model.modules():
        if isinstance(module, BatchNorm2d):
            module.running_mean.data[...] = rng.normal(size=module.running_mean.shape)
            module.running_var.data[...] = rng.uniform(0.5, 2, module.running_var.shape)
    return model


@pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_network_with_a_name_answers_the_same_for_any_batch(network: Any, shape: Any) -> None:
    model = lived_in(network(rng=np.random.default_rng(1)))
    proto = export(model, normal(1, *shape))
    assert sizes_of(proto.graph.input[0]) == ["batch", *shape]
    assert sizes_of(proto.graph.output[0])[0] == "batch"
    x = normal(7, *shape, seed=3)
    want = model.eval()(Tensor(x)).data
    for run in (reference(proto), runtime(proto)):
        np.testing.assert_allclose(run({"input": x})[0], want, 1e-4, 1e-4)


def test_weights_keep_their_names_and_values() -> None:
    model = models.LeNet5()
    proto = export(model, normal(1, 1, 28, 28))
    stored = {w.name: onnx.numpy_helper.to_array(w) for w in proto.graph.initializer}
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(stored[name], array)


def test_normalisation_becomes_part_of_the_convolution_before_it_unless_told_not_to() -> None:
    def operations(**how: Any) -> set[str]:
        model = lived_in(models.ResNet8(rng=np.random.default_rng(0)))
        return {node.op_type for node in export(model, normal(1, 3, 32, 32), **how).graph.node}

    assert "BatchNormalization" not in operations()
    assert "BatchNormalization" in operations(fold=False)


def test_a_file_is_of_the_lowest_versions_that_do() -> None:
    proto = export(Linear(2, 2), normal(1, 2))
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 17)]
    assert proto.ir_version == 8


@pytest.mark.parametrize(("opset", "operation"), [(20, "Gelu"), (23, "Attention")])
def test_a_higher_opset_writes_as_one_node_what_has_one(opset: int, operation: str) -> None:
    block = TransformerBlock(8, 2, rng=np.random.default_rng(0))
    low = {n.op_type for n in export(block, normal(2, 5, 8)).graph.node}
    high = {n.op_type for n in export(block, normal(2, 5, 8), opset=opset).graph.node}
    assert operation in high - low


@pytest.mark.parametrize("opset", range(17, 24))
def test_every_opset_that_is_offered_is_written_right(opset: int) -> None:
    rng = np.random.default_rng(0)
    proto = export(models.CharGPT(rng=rng), rng.integers(0, 65, (1, 4)), opset=opset)
    assert proto.opset_import[0].version == opset


def test_batch_and_sequence_may_both_change() -> None:
    model = models.CharGPT(rng=np.random.default_rng(1))
    tokens = np.random.default_rng(2).integers(0, 65, (1, 6))
    proto = export(model, tokens, axes={"input": {0: "batch", 1: "sequence"}})
    assert sizes_of(proto.graph.output[0]) == ["batch", "sequence", 65]
    for shape in ((1, 1), (3, 11), (2, 128)):
        x = np.random.default_rng(3).integers(0, 65, shape)
        np.testing.assert_allclose(runtime(proto)({"input": x})[0], model(x).data, 1e-4, 1e-4)


def test_a_gpt_with_its_cache_reads_token_by_token_what_it_reads_at_once() -> None:
    model = models.CharGPT(rng=np.random.default_rng(1))
    proto = export_with_cache(model)
    run = runtime(proto)
    names = [value.name for value in proto.graph.input]
    assert names[:3] == ["tokens", "past_key_0", "past_value_0"]
    assert sizes_of(proto.graph.output[1]) == ["batch", 4, "sequence + past", 32]
    tokens = np.random.default_rng(2).integers(0, 65, (2, 9))
    past = [np.zeros((2, 4, 0, 32), np.float32)] * 8
    logits = []
    for part in (tokens[:, :3], tokens[:, 3:4], tokens[:, 4:]):
        answer, *past = run(dict(zip(names, [part, *past], strict=True)))
        logits.append(answer)
    np.testing.assert_allclose(np.concatenate(logits, 1), model(tokens).data, 1e-4, 1e-5)


def test_positions_that_rotate_take_any_length() -> None:
    class Turns(Module):
        def forward(self, x: Tensor) -> Tensor:
            return rotary(x, start=2)

    proto = export(Turns(), normal(2, 5, 8), axes={"input": {1: "sequence"}})
    x = normal(2, 9, 8, seed=1)
    np.testing.assert_allclose(runtime(proto)({"input": x})[0], Turns()(Tensor(x)).data, 1e-5, 1e-5)


def test_a_file_tells_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(
        models.LeNet5(), normal(1, 1, 28, 28), path, input_names=["image"], output_names=["logits"],
        metadata={"labels": list("0123456789"), "licence": "MIT"},
    )  # fmt: skip
    proto = onnx.load(path)
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    assert texts["labels"] == '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]'
    assert texts["licence"] == "MIT"
    assert len(texts["weights.sha256"]) == 64
    assert (proto.producer_name, proto.graph.name) == ("tinytorch", "LeNet5")
    assert (proto.graph.input[0].name, proto.graph.output[0].name) == ("image", "logits")


def test_the_digest_tells_weights_apart() -> None:
    def digest(model: Module) -> str:
        proto = export(model, normal(1, 2))
        return {entry.key: entry.value for entry in proto.metadata_props}["weights.sha256"]

    one, same, other = (Linear(2, 2, rng=np.random.default_rng(i)) for i in (0, 0, 1))
    assert digest(one) == digest(same) != digest(other)


def test_two_inputs_and_two_results() -> None:
    class Both(Module):
        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return x @ y.transpose(0, 1), x

    proto = export(Both(), (normal(3, 4), normal(5, 4)), axes={"input_0": {0: "rows"}})
    assert [sizes_of(v) for v in proto.graph.output] == [["rows", 5], ["rows", 4]]


# What is refused, with nothing written
class Branches(Module):
    def forward(self, x: Tensor) -> Tensor:
        return relu(x) if x.shape[0] == 2 else gelu(x)


class Loops(Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[0]):
            x = relu(x)
        return x


class Draws(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + Tensor(np.random.default_rng().standard_normal(3))


class Computes(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(x.data.mean())


class Masks(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + Tensor(np.tri(x.shape[0], 3))


class Escapes(Module):
    def forward(self, x: Tensor) -> Tensor:
        return Tensor(np.sqrt(np.abs(x.data)))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Branches(), r"calls other operations with .*'relu'.*'gelu'.*where\(\) can"),
        (Loops(), "calls other operations"),
        (Draws(), r"add in the model's own forward: operand 1, of shape \(3,\), .* random"),
        (Computes(), "mul in the model's own forward: operand 1, of shape .* computed outside of"),
        (Masks(), "add in the model's own forward: operand 1, of shape .* differs with"),
        (Escapes(), "output does not come from the inputs"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Module) else "",
)
def test_what_depends_on_the_inputs_by_other_ways_is_refused(
    model: Module, why: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=why):
        export(model, normal(2, 3), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_for_one_size_is_refused_with_the_way_out_and_taken_at_that_size() -> None:
    class Fixed(Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, 6)

    with pytest.raises(ExportError, match=r"say so with axes=\{\}"):
        export(Fixed(), normal(2, 2, 3))
    assert sizes_of(export(Fixed(), normal(2, 2, 3), axes={}).graph.output[0]) == [2, 6]


class Above(Module):
    """What is twice as much from some batch on: no size that is traced shows it."""

    def __init__(self, most: int) -> None:
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.shape[0] > self.most else x + 1


@pytest.mark.parametrize(("most", "batch"), [(1, 1), (4, 5), (16, 64), (63, 64)])
def test_a_branch_on_the_batch_beyond_the_traces_is_refused_with_its_cause(
    most: int, batch: int
) -> None:
    with pytest.raises(ExportError, match=r"output 0 differs") as caught:
        export(Above(most), normal(2, 3))
    text = str(caught.value)
    assert f"with {{'input': (2, 3)}} and with {{'input': ({batch}, 3)}}" in text
    assert "['add'] and ['mul']" in text or "['mul'] and ['add']" in text
    assert "where() can" in text
    assert "axes={}" in text


def test_a_model_that_refuses_a_large_batch_is_told_how_to_say_so() -> None:
    class Few(Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[0] > 16:
                raise ValueError("16 at most")
            return relu(x)

    with pytest.raises(ExportError, match=r"'input': \(64, 3\)}: 16 at most\n.*axes={}"):
        export(Few(), normal(2, 3))
    export(Few(), normal(2, 3), axes={})


def test_the_large_batch_has_only_as_many_numbers_as_are_cheap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tried() -> list[int]:
        return [feed["input"].shape[0] for feed in checking.fresh_inputs(runs)]

    runs = traces(Sequential(ReLU(), ReLU()), {"input": normal(1, 3)}, {"input": {0: "batch"}})
    assert tried() == [1, 2, 5, 64]
    monkeypatch.setattr(checking, "MOST_NUMBERS", 6 * 20 + 5)  # three numbers from each ReLU
    assert tried() == [1, 2, 5, 20]
    monkeypatch.setattr(checking, "MOST_NUMBERS", 6 * 5)
    assert tried() == [1, 2, 5]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_parameters_that_are_no_numbers_are_refused_by_name(wrong: float, tmp_path: Path) -> None:
    model = Sequential(Linear(3, 3), Linear(3, 3))
    model[1].weight.data[0, 2] = wrong
    with pytest.raises(ExportError, match=r"NaN or infinity in 1\.weight: .*diverge"):
        export(model, normal(1, 3), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_onnxruntime_one_program_less_is_asked_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    checking.tell_of_one_program.cache_clear()
    with pytest.warns(UserWarning, match="onnxruntime is not installed.*alone") as heard:
        export(Linear(3, 2), normal(1, 3))
    export(Linear(3, 2), normal(1, 3))  # a second warning would be an error here
    assert [warning.filename for warning in heard] == [__file__]
    with pytest.raises(ExportError, match=r"onnx\.reference, inputs .*output 0 differs"):
        export(Above(16), normal(2, 3))


def test_what_is_no_transformer_has_no_cache_and_what_is_no_module_no_file() -> None:
    with pytest.raises(TypeError, match=r"LeNet5 is no Transformer.*export\(model, example"):
        export_with_cache(models.LeNet5())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a function, not a Module"):
        export(lambda x: x, normal(1, 3))  # type: ignore[arg-type]


def test_the_help_of_export_says_what_no_check_sees() -> None:
    text = " ".join((export.__doc__ or "").split())
    assert "What is not seen: an `if` on the values of the inputs" in text
    assert "beyond the sizes that were tried" in text

    class OnValues(Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if float(x.data.mean()) > 100 else x

    export(OnValues(), normal(2, 3))  # which is so


def test_a_primitive_without_a_converter_is_named_and_may_be_given_one() -> None:
    @primitive(differentiable=False)
    def cubed(x):
        return x * x * x

    class Cubes(Module):
        def forward(self, x: Tensor) -> Tensor:
            return cubed(x)

    with pytest.raises(ExportError, match=r'primitive \'cubed\'.*onnx\.converter\("cubed"\)'):
        export(Cubes(), normal(2, 3))

    @converter("cubed")
    def write_cubed(call: Call) -> str:
        three = call.write.constant(3, np.float32)
        return str(call.write.add("Pow", call.x[0], three))

    try:
        export(Cubes(), normal(2, 3))
    finally:
        CONVERTERS.pop("cubed")


def test_a_converter_that_computes_something_else_is_found_out() -> None:
    right = CONVERTERS["relu"]
    converter("relu")(lambda call: call.write.add("Abs", call.x[0]))
    try:
        with pytest.raises(ExportError, match=r"output 0 differs from the model's in \d+ of"):
            export(Sequential(ReLU()), normal(2, 3))
    finally:
        CONVERTERS["relu"] = right


def test_an_earlier_file_stays_where_an_export_fails(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(Linear(3, 3), normal(1, 3), path)
    before = path.read_bytes()
    with pytest.raises(ExportError):
        export(Draws(), normal(2, 3), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"opset": 16}, "opset 16: 17 to 23 can be written"),
        ({"axes": {"image": {0: "batch"}}}, "axes of 'image': the inputs are input"),
        ({"axes": {"input": {2: "batch"}}}, r"axis 2 of 'input': its shape is \(1, 3\)"),
        ({"input_names": ["a", "b"]}, "1 inputs, but 2 names"),
        ({"output_names": ["a", "b"]}, "1 outputs, but 2 names"),
    ],
)
def test_arguments_that_fit_nothing_are_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ExportError, match=why):
        export(Linear(3, 2), normal(1, 3), **wrong)


# Networks that nobody planned
@st.composite
def networks(draw: Any) -> tuple[Module, int]:
    """Layers one after the other, with sums over shortcuts, for images of 8x8."""
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    channels = draw(st.integers(1, 4))
    first, size = channels, 8
    layers: list[Any] = []
    for kind in draw(
        st.lists(st.sampled_from(["conv", "deep", "norm", "act", "pool", "add"]), max_size=6)
    ):
        if kind == "conv":
            new = draw(st.integers(1, 5))
            layers.append(Conv2d(channels, new, 3, padding=1, dilation=1, rng=rng))
            channels = new
        elif kind == "deep":
            layers.append(Conv2d(channels, channels, 3, padding="same", groups=channels, rng=rng))
        elif kind == "norm":
            layers.append(BatchNorm2d(channels))
        elif kind == "act":
            layers.append(draw(st.sampled_from([ReLU(), Sigmoid(), gelu, tanh])))
        elif kind == "pool" and size > 1:
            layers.append(draw(st.sampled_from([MaxPool2d(2), AvgPool2d(2)])))
            size //= 2
        elif kind == "add":
            layers.append(Shortcut(Conv2d(channels, channels, 1, rng=rng)))
    layers += [Dropout(0.5), Flatten(), Linear(channels * size * size, 3, rng=rng)]
    return lived_in(Sequential(layers)), first


class Shortcut(Module):
    def __init__(self, inner: Module) -> None:
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + relu(self.inner(x)) * 0.5


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(0, 1000))
def test_any_composition_answers_the_same(made: tuple[Module, int], seed: int) -> None:
    model, channels = made
    proto = export(model, normal(1, channels, 8, 8, seed=seed))
    x = normal(3, channels, 8, 8, seed=seed + 1)
    want = model.eval()(Tensor(x)).data
    np.testing.assert_allclose(runtime(proto)({"input": x})[0], want, 1e-4, 1e-4)
