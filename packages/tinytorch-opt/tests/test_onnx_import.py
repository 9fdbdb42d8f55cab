"""A file that comes back: the same answers, weights that learn, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")

from onnx import TensorProto, helper  # noqa: E402

from tinytorch import Tensor  # noqa: E402
from tinytorch.arch import models  # noqa: E402
from tinytorch.core.activations import gelu  # noqa: E402
from tinytorch.core.layers import Linear, Module  # noqa: E402
from tinytorch.opt.onnx import export, import_  # noqa: E402

NETWORKS = [
    (models.LeNet5, (1, 28, 28)),
    (models.CifarCNN, (3, 32, 32)),
    (models.ResNet8, (3, 32, 32)),
    (models.DSCNN, (1, 49, 10)),
    (models.AutoEncoder, (640,)),
    (models.DigitViT, (1, 28, 28)),
]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def made(*nodes: Any, inputs: Any = ((2, 3),), weights: Any = (), **how: Any) -> Any:
    """A model with these nodes, from x to y."""
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("xz", inputs, strict=False)
    ]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd")[: len(inputs[0])])
    graph = helper.make_graph(list(nodes), "made", given, [out], list(weights))
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **how
    )


@pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_network_comes_back_and_goes_out_again(network: Any, shape: Any, tmp_path: Path) -> None:
    model = network(rng=np.random.default_rng(1)).eval()
    export(model, normal(1, *shape), tmp_path / "first.onnx")
    back = import_(tmp_path / "first.onnx")
    x = Tensor(normal(3, *shape, seed=2))
    np.testing.assert_allclose(back(x).data, model(x).data, 1e-4, 1e-4)
    export(back, normal(1, *shape), tmp_path / "second.onnx")  # which compares it once more


def test_tokens_come_back_for_any_length() -> None:
    model = models.CharGPT(rng=np.random.default_rng(1))
    tokens = np.random.default_rng(2).integers(0, 65, (1, 6))
    back = import_(export(model, tokens, axes={"input": {0: "batch", 1: "sequence"}}))
    longer = np.random.default_rng(3).integers(0, 65, (2, 17))
    np.testing.assert_allclose(back(longer).data, model(longer).data, 1e-4, 1e-4)


def test_its_weights_have_the_names_and_values_of_the_file_and_learn() -> None:
    model = Linear(3, 2, rng=np.random.default_rng(0))
    back = import_(export(model, normal(1, 3)))
    assert [name for name, _ in back.named_parameters()] == ["weight", "bias"]
    x = Tensor(normal(4, 3))
    for each in (model, back):
        (each(x) ** 2).sum().backward()
    for (_, mine), (_, theirs) in zip(
        model.named_parameters(), back.named_parameters(), strict=True
    ):
        np.testing.assert_array_equal(mine.data, theirs.data)
        np.testing.assert_allclose(mine.grad, theirs.grad, 1e-5)


def test_constants_of_a_formula_are_no_weights() -> None:
    class Halves(Module):
        def forward(self, x: Tensor) -> Tensor:
            return gelu(x) * 0.5 + np.ones(3, np.float32)

    assert import_(export(Halves(), normal(2, 3))).parameters() == []


def test_memory_of_values_that_nobody_reads_again_is_let_go_but_results_are_kept() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Neg", ["y"], ["n"]),
        helper.make_node("Exp", ["n"], ["e"]),
    ]
    assert import_(made(*nodes))(Tensor([[-1.0, 2.0]])).tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (helper.make_node("LSTM", ["x", "x", "x"], ["y"], name="l", hidden_size=1), "'l' is LSTM"),
        (helper.make_node("Fast", ["x"], ["y"], name="f", domain="com.x"), "'f' is com.x.Fast"),
    ],
)
def test_an_operation_that_there_is_none_of_is_named(node: Any, why: str) -> None:
    with pytest.raises(ValueError, match=f"node {why}, which is no operation here"):
        import_(made(node))


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"auto_pad": "SAME_UPPER"}, "auto_pad=SAME_UPPER is not known here"),
        ({"ceil_mode": 1}, "ceil_mode and dilations"),
        ({"dilations": [2, 2]}, "ceil_mode and dilations"),
    ],
)
def test_an_attribute_that_would_compute_something_else_is_refused(
    attributes: dict[str, Any], why: str
) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], **attributes)
    with pytest.raises(ValueError, match=why):
        import_(made(node, inputs=[(1, 1, 4, 4)]))(normal(1, 1, 4, 4))


def test_margins_that_differ_are_added() -> None:
    weight = onnx.numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 0, 1, 1])
    y = import_(made(node, inputs=[(1, 1, 2, 2)], weights=[weight]))(np.ones((1, 1, 2, 2)))
    assert y.tolist() == [[[[4.0, 2.0], [2.0, 1.0]]]]


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(FileNotFoundError):
        import_(path)
    path.write_bytes(b"GIF89a, a picture")
    with pytest.raises(ValueError, match=r"model\.onnx is no ONNX file|not well formed"):
        import_(path)
    broken = made(helper.make_node("Relu", ["nobody"], ["y"]))
    with pytest.raises(ValueError, match="not well formed"):
        import_(broken)


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((3, 3), np.float32), "w")
    proto = made(helper.make_node("MatMul", ["x", "w"], ["y"]), weights=[weight])
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ValueError, match="weights are in another file"):
        import_(path)


def test_the_number_of_inputs_is_checked() -> None:
    back = import_(made(helper.make_node("Relu", ["x"], ["y"])))
    with pytest.raises(TypeError, match="2 inputs, but the file has 1: x"):
        back(normal(2, 3), normal(2, 3))
