"""Eight bits in an ONNX file: as integers, from the model's own scales, and never wrong unseen."""

import collections
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: [onnx]")

import tinytorch.opt  # noqa: E402
from tinytorch import Tensor  # noqa: E402
from tinytorch.arch.models import CharGPT, LeNet5, ResNet8  # noqa: E402
from tinytorch.arch.trained import trained  # noqa: E402
from tinytorch.core.activations import relu  # noqa: E402
from tinytorch.core.layers import Linear, Module, Sequential  # noqa: E402
from tinytorch.core.ops import exp, log  # noqa: E402
from tinytorch.core.primitive import primitives  # noqa: E402
from tinytorch.datasets import DrawnDigits  # noqa: E402
from tinytorch.nn import BatchNorm2d, Conv2d, Flatten, MaxPool2d, ReLU  # noqa: E402
from tinytorch.opt.activation_checkpointing import joined  # noqa: E402
from tinytorch.opt.fine_tuning import fake_quantize, prepare  # noqa: E402
from tinytorch.opt.int4 import quantize_weights  # noqa: E402
from tinytorch.opt.onnx import (  # noqa: E402
    CONVERTERS,
    ExportError,
    composite,
    export,
    export_with_cache,
)
from tinytorch.opt.onnx.checking import reference, runtime  # noqa: E402
from tinytorch.opt.onnx.composites import COMPOSITES  # noqa: E402
from tinytorch.opt.onnx.converters import integers, quantized  # noqa: E402
from tinytorch.opt.onnx.rounding import room_for_steps  # noqa: E402
from tinytorch.opt.quantization import (  # noqa: E402
    conv2d_int8,
    dequantize_linear,
    linear_int8,
    quantize,
    quantize_linear,
)

MOST_OF_A_FLOAT = 0.30  # of a file, for tiny models: notes, "INT8"


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, seed: int = 0, kind: Any = np.int8) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(kind)


def small(model: Module, *shape: int, **how: Any) -> Module:
    return quantize(model, [normal(16, *shape, seed=5)], **how)


def stored(proto: Any) -> dict[str, Any]:
    return {w.name: onnx.numpy_helper.to_array(w) for w in proto.graph.initializer}


def kinds(proto: Any) -> collections.Counter[str]:
    return collections.Counter(node.op_type for node in proto.graph.node)


def optimised(proto: Any, folder: Path) -> collections.Counter[str]:
    """The operations that ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=providers)
    return kinds(onnx.load(folder / "optimised.onnx"))


@pytest.fixture(scope="module")
def lenet() -> Module:
    images, _ = DrawnDigits("train", 256).get_batch(range(256))
    return quantize(trained("lenet5"), [images])


# What stands in the file
@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_a_layer_is_rounding_around_an_operation_on_floats(lenet: Module, activations: Any) -> None:
    proto = export(lenet, normal(1, 1, 28, 28), activations=activations)
    found = kinds(proto)
    assert (found["Conv"], found["Gemm"]) == (2, 3)
    assert found["QuantizeLinear"] == 5
    assert found["DequantizeLinear"] == 3 * 5  # inputs, weights, biases
    assert {node.domain for node in proto.graph.node} == {""}
    assert proto.opset_import[0].version == 17


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_the_runtime_multiplies_only_integers(
    lenet: Module, activations: Any, tmp_path: Path
) -> None:
    found = optimised(export(lenet, normal(1, 1, 28, 28), activations=activations), tmp_path)
    assert (found["QLinearConv"], found["QGemm"]) == (2, 3)
    assert not {"Conv", "FusedConv", "Gemm", "MatMul", "DequantizeLinear"} & {*found}


def test_weights_are_the_state_dicts_own_integers(lenet: Module) -> None:
    found = stored(export(lenet, normal(1, 1, 28, 28), activations="int8"))
    state = lenet.state_dict()
    assert sorted(found) == sorted(state)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    types = {name.rpartition(".")[2]: array.dtype for name, array in found.items()}
    assert (types["weight"], types["bias"]) == (np.int8, np.int32)


def test_a_file_is_at_most_thirty_percent_of_the_float_one(lenet: Module) -> None:
    plain = export(LeNet5(), normal(1, 1, 28, 28)).ByteSize()
    for activations in ("uint8", "int8"):
        size = export(lenet, normal(1, 1, 28, 28), activations=activations).ByteSize()
        assert 61_706 < size < MOST_OF_A_FLOAT * plain


def test_both_kinds_of_activations_stand_for_the_same_numbers(lenet: Module) -> None:
    one, other = (
        export(lenet, normal(1, 1, 28, 28), activations=kind) for kind in ("uint8", "int8")
    )
    x = normal(4, 1, 28, 28, seed=1)
    np.testing.assert_array_equal(*[reference(p)({"input": x})[0] for p in (one, other)])
    zeros = [array for array in constants(one) if array.dtype == np.uint8]
    assert sorted(int(z) for z in zeros) == sorted(
        {int(z) + 128 for name, z in lenet.state_dict().items() if "zero_point" in name}
    )


def constants(proto: Any) -> list[Any]:
    return [
        onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in proto.graph.node
        if node.op_type == "Constant"
    ]


def test_digits_are_read_as_the_model_reads_them(lenet: Module) -> None:
    images, labels = DrawnDigits("test", 500).get_batch(range(500))
    ours = lenet.eval()(Tensor(images)).data
    for activations in ("uint8", "int8"):
        proto = export(lenet, images[:1], activations=activations)
        theirs = runtime(proto)({"input": images})[0]
        same = (ours.argmax(1) == theirs.argmax(1)).mean()
        assert same >= 0.998  # one of 500: a rounding may fall the other way
        assert abs((theirs.argmax(1) == labels).mean() - (ours.argmax(1) == labels).mean()) <= 0.002


def test_no_other_kind_of_activations_is_written(lenet: Module) -> None:
    with pytest.raises(ExportError, match='activations \'int4\': "uint8" or "int8"'):
        export(lenet, normal(1, 1, 28, 28), activations="int4")  # type: ignore[arg-type]


# Which layers
def test_a_residual_network_and_a_transformer_are_written() -> None:
    images = small(ResNet8(rng=np.random.default_rng(0)), 3, 32, 32)
    assert kinds(export(images, normal(1, 3, 32, 32)))["Conv"] == 9
    rng = np.random.default_rng(0)
    text = quantize(CharGPT(rng=rng), [rng.integers(0, 65, (4, 16))])
    proto = export(text, rng.integers(0, 65, (1, 8)), axes={"input": {0: "batch", 1: "sequence"}})
    assert kinds(proto)["QuantizeLinear"] > 8
    assert not [name for name, a in stored(proto).items() if a.dtype == np.float32 and a.ndim > 1
                and name not in ("tokens.weight", "positions.weight")]  # fmt: skip


@pytest.mark.parametrize(
    "how",
    [{"bits": 4}, {"bits": 7}, {"symmetric_inputs": True}, {"per_channel": False}],
    ids=str,
)
def test_every_way_to_quantise_can_be_written(how: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    layers = [Conv2d(2, 3, 3, rng=rng), ReLU(), Flatten(), Linear(3 * 36, 4, bias=False, rng=rng)]
    model = small(Sequential(layers), 2, 8, 8, **how)
    for activations in ("uint8", "int8"):
        export(model, normal(1, 2, 8, 8), activations=activations)


def test_numbers_beyond_fewer_bits_are_clipped() -> None:
    model = small(Sequential(Linear(3, 2, rng=np.random.default_rng(0))), 3, bits=4)
    proto = export(model, normal(1, 3))
    x = 1e3 * normal(2, 3)
    np.testing.assert_allclose(runtime(proto)({"input": x})[0], model(Tensor(x)).data, 1e-5)


def test_a_model_that_trains_with_rounding_is_written() -> None:
    rng = np.random.default_rng(0)
    model = Sequential([Conv2d(1, 2, 3, rng=rng), ReLU(), Flatten(), Linear(72, 3, rng=rng)])
    proto = export(prepare(model, [normal(8, 1, 8, 8)], bits=4), normal(1, 1, 8, 8))
    assert kinds(proto)["QuantizeLinear"] == 4  # inputs and weights of two layers


# The primitives by themselves
class Only(Module):
    """A model that calls one function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def forward(self, *x: Tensor) -> Any:
        return self.function(*x)


SCALES, ZEROS = np.array([0.1, 0.02, 0.3], np.float32), np.array([3, -7, 0], np.int8)
HALF, THREE = np.float32(0.5), np.int8(3)
WEIGHT, IMAGES = whole(6, 4, seed=1), whole(4, 2, 3, 3, seed=1)
BIAS, LEAST = whole(4, kind=np.int32), np.int8(-128)
DEEP: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
ALONE = {
    "quantize": (lambda x: quantize_linear(x, HALF, THREE), normal(2, 3)),
    "quantize 4 bits": (lambda x: quantize_linear(x, HALF, THREE, bits=4), 9 * normal(2, 3)),
    "quantize channels": (lambda x: quantize_linear(x, SCALES, ZEROS, axis=1), normal(2, 3, 4)),
    "quantize channels, 5 bits": (
        lambda x: quantize_linear(x, SCALES, ZEROS, axis=-1, bits=5),
        normal(2, 3),
    ),
    "dequantize": (lambda q: dequantize_linear(q, HALF, THREE), whole(2, 3)),
    "dequantize channels": (lambda q: dequantize_linear(q, SCALES, ZEROS, axis=1), whole(2, 3, 4)),
    "dequantize sums": (
        lambda q: dequantize_linear(q, SCALES, axis=1),
        999 * whole(2, 3, kind=np.int32),
    ),
    "dequantize sums from a zero point": (
        lambda q: dequantize_linear(q, SCALES, ZEROS, axis=1),
        9 * whole(2, 3, 2, kind=np.int32),
    ),
    "fake_quantize": (lambda x: fake_quantize(x, HALF, THREE), 30 * normal(5, 3)),
    "fake_quantize channels": (
        lambda x: fake_quantize(x, SCALES, ZEROS, axis=1, bits=3),
        normal(5, 3),
    ),
    "linear": (lambda q: linear_int8(q, WEIGHT, None, THREE), whole(5, 6)),
    "linear with a bias": (lambda q: linear_int8(q, WEIGHT, BIAS, LEAST), whole(2, 5, 6)),
    "conv2d": (lambda q: conv2d_int8(q, IMAGES, None, THREE), whole(2, 2, 6, 5)),
    "conv2d with all": (
        lambda q: conv2d_int8(q, IMAGES[:, :1], BIAS, np.int8(-100), **DEEP),
        whole(3, 2, 6, 6),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_primitive_alone_is_an_operation_on_integers(name: str) -> None:
    function, x = ALONE[name]
    model = Only(function)
    proto = export(model, Tensor(x, x.dtype), axes={})
    want = model(Tensor(x, x.dtype)).data
    for run in (reference(proto), runtime(proto)):
        np.testing.assert_allclose(run({"input": x})[0], want, 1e-6)


def test_a_layer_whose_integers_are_read_elsewhere_is_written_step_by_step(tmp_path: Path) -> None:
    layer = small(Sequential(Linear(6, 4, rng=np.random.default_rng(0))), 6)[0]

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        q = quantize_linear(x, layer.input_scale, layer.input_zero_point)
        sums = layer.add_up(q)
        scale = layer.input_scale.data * layer.weight_scale.data
        return dequantize_linear(sums, scale, axis=-1), sums

    class Shows(Module):
        def __init__(self) -> None:
            self.layer = layer

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return both(x)

    found = kinds(export(Shows(), normal(2, 6)))
    assert (found["MatMulInteger"], found["Gemm"]) == (1, 0)


def test_sums_that_are_scaled_otherwise_are_no_layer() -> None:
    layer = small(Sequential(Linear(6, 4, rng=np.random.default_rng(0))), 6)[0]

    def other(x: Tensor) -> Tensor:  # each row has a scale, and no column
        q = quantize_linear(x, layer.input_scale, layer.input_zero_point)
        return dequantize_linear(layer.add_up(q), SCALES[:2], axis=0)

    model = Only(other)
    found = kinds(export(model, normal(2, 6), axes={}))
    assert (found["MatMulInteger"], found["Gemm"], found["MatMul"]) == (1, 0, 0)


def test_a_layer_with_numbers_of_its_own_is_written_with_those() -> None:
    layer = small(Sequential(Linear(6, 4, rng=np.random.default_rng(0))), 6)[0]

    class Own(Module):
        def __init__(self, zero_point: Any, factor: float) -> None:
            self.layer, self.zero_point, self.factor = layer, np.int8(zero_point), factor

        def forward(self, x: Tensor) -> Tensor:
            layer = self.layer
            q = quantize_linear(x, layer.input_scale, layer.input_zero_point)
            sums = linear_int8(q, layer.weight, layer.bias, self.zero_point)
            scale = self.factor * layer.input_scale.data * layer.weight_scale.data
            return dequantize_linear(sums, scale.astype(np.float32), axis=-1)

    of_the_inputs = int(layer.input_zero_point.data)
    twice = export(Own(of_the_inputs, 2), normal(2, 6))  # the gate compares the answers
    assert kinds(twice)["Gemm"] == 1
    other = export(Own(of_the_inputs + 9, 1), normal(2, 6))  # no zero that floats have
    assert kinds(other)["MatMulInteger"] == 1


def test_calls_of_ones_own_may_be_written_together() -> None:
    @composite("exp", "log")
    def nothing(calls: Any) -> str:
        return str(calls[0].write.add("Identity", calls[0].x[0]))

    composite("exp", "add")(nothing)  # of exp(x) + y
    try:
        assert kinds(export(Only(lambda x: log(exp(x))), normal(2, 3))) == {"Identity": 2}
        second = kinds(export(Only(lambda x: x + exp(x)), normal(2, 3)))
        assert (second["Exp"], second["Add"]) == (1, 1)
        found = kinds(export(Only(lambda x: log(exp(x)) + exp(x)), normal(2, 3)))
        assert found == {"Identity": 2, "Exp": 1, "Add": 1}
        shared = kinds(export(Only(lambda x: (y := exp(x)) + log(y)), normal(2, 3)))
        assert (shared["Exp"], shared["Log"]) == (1, 1)
    finally:
        COMPOSITES.pop(("exp", "log"))
        COMPOSITES.pop(("exp", "add"))


# The gate
def test_rounding_gives_room_for_a_step_and_no_more() -> None:
    model = Only(lambda x: fake_quantize(x, HALF, THREE))
    feed = {"input": normal(50, 3)}
    assert room_for_steps(model, model, feed) == [0.5]
    plain = Linear(3, 3)
    assert room_for_steps(plain, plain, feed) == [0.0]


def test_answers_that_are_no_numbers_give_no_room_that_is_none() -> None:
    model = Only(lambda x: log(fake_quantize(x, HALF, THREE)))
    with np.errstate(all="ignore"):  # as in the gate
        (room,) = room_for_steps(model, model, {"input": normal(50, 3)})  # NaN, -inf among them
    assert 0 < room < 5


def test_the_room_is_small_beside_the_answers(lenet: Module) -> None:
    feed = {"input": DrawnDigits("test", 5).get_batch(range(5))[0]}
    (room,) = room_for_steps(lenet, lenet, feed)
    logits = lenet(Tensor(feed["input"])).data
    assert 0 < room < 0.1 * np.abs(logits).max()


def test_a_zero_point_that_is_one_off_is_found_out(
    lenet: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integers, "SHIFT", 127)
    with pytest.raises(ExportError, match=r"differs from the model's.*rounding accounts for"):
        export(lenet, normal(1, 1, 28, 28))


def test_a_bias_that_is_forgotten_is_found_out(
    lenet: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = quantized.operands

    def forgets(*given: Any, **how: Any) -> Any:
        found = right(*given, **how)
        return quantized.Rounded(found.x, found.weight, "")

    monkeypatch.setattr(quantized, "operands", forgets)
    with pytest.raises(ExportError, match="differs from the model's"):
        export(lenet, normal(1, 1, 28, 28))


def test_weights_that_are_five_percent_too_large_are_found_out(
    lenet: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(sums: Any, step: Any, scale: Any) -> Any:
        return sums.write.constant(1.05 * step / scale, np.float32)

    monkeypatch.setattr(quantized, "weight_scale", wrong)
    with pytest.raises(ExportError, match="differs from the model's"):
        export(lenet, normal(1, 1, 28, 28))


# Every primitive, and networks nobody planned
def test_every_primitive_of_this_tier_is_written_or_refused_with_the_way_out() -> None:
    for module in pkgutil.walk_packages(tinytorch.opt.__path__, "tinytorch.opt."):
        if ".milestones" not in module.name and ".compiled" not in module.name:
            importlib.import_module(module.name)
    names = {
        name
        for name, made in primitives().items()
        if made.definition.__module__.startswith("tinytorch.opt.")
    }
    assert sorted(names - CONVERTERS.keys()) == []


def test_what_no_file_can_hold_is_refused_with_the_way_out() -> None:
    model = Only(lambda x: joined(x, gradients=()))
    with pytest.raises(ExportError, match=r"joined in .* call the model itself"):
        export(model, normal(4, 3))


# Four bits
@pytest.mark.parametrize(("inputs", "outputs", "block"), [(64, 6, 32), (40, 7, 32), (9, 3, 4)])
@pytest.mark.parametrize("symmetric", [True, False])
def test_weights_of_four_bits_stay_four_bits(
    inputs: int, outputs: int, block: int, symmetric: bool
) -> None:
    layers = [Linear(inputs, outputs, bias=symmetric, rng=np.random.default_rng(0))]
    model = quantize_weights(Sequential(layers), block, symmetric=symmetric)
    proto = export(model, normal(2, inputs), opset=21)
    (weight,) = (w for w in proto.graph.initializer if w.name == "0.weight")
    assert weight.data_type == onnx.TensorProto.INT4
    assert len(weight.raw_data) == -(-inputs * outputs // 2)
    with pytest.raises(ExportError, match=r"export\(\.\.\., opset=21\)"):
        export(model, normal(2, inputs))


def test_a_gpt_of_four_bits_is_written_with_its_cache() -> None:
    model = quantize_weights(CharGPT(rng=np.random.default_rng(0)))
    plain = export_with_cache(CharGPT(rng=np.random.default_rng(0)))
    proto = export_with_cache(model, opset=21)
    assert proto.ByteSize() < 0.25 * plain.ByteSize()


@st.composite
def networks(draw: Any) -> tuple[Module, int]:
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    first = channels = draw(st.integers(1, 4))
    size = 8
    layers: list[Any] = []
    for kind in draw(
        st.lists(st.sampled_from(["conv", "deep", "norm", "relu", "pool"]), max_size=6)
    ):
        if kind == "conv":
            new, stride = draw(st.integers(1, 5)), draw(st.integers(1, 2))
            bias = draw(st.booleans())
            layers.append(Conv2d(channels, new, 3, stride, padding=1, bias=bias, rng=rng))
            channels, size = new, -(-size // stride)
        elif kind == "deep":
            layers.append(Conv2d(channels, channels, 3, padding="same", groups=channels, rng=rng))
        elif kind == "norm":
            layers.append(BatchNorm2d(channels))
        elif kind == "relu":
            layers.append(relu)
        elif size > 1:
            layers.append(MaxPool2d(2))
            size //= 2
    layers += [Flatten(), Linear(channels * size * size, 3, bias=draw(st.booleans()), rng=rng)]
    return Sequential(layers).eval(), first


@pytest.mark.filterwarnings("ignore:.*its range is a guess")  # of a layer that no input reaches
@settings(max_examples=15, deadline=None)
@given(networks(), st.sampled_from([8, 6, 3]), st.booleans(), st.sampled_from(["uint8", "int8"]))
def test_any_composition_of_eight_bits_passes_the_gate(
    made: tuple[Module, int], bits: int, per_channel: bool, activations: Any
) -> None:
    model, channels = made
    model = small(model, channels, 8, 8, bits=bits, per_channel=per_channel)
    proto = export(model, normal(1, channels, 8, 8), activations=activations)
    assert kinds(proto)["MatMulInteger"] + kinds(proto)["ConvInteger"] == 0
