"""Module 03: what modules find inside themselves, keep, and promise each other."""

import copy

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.context import listening
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import (
    Dropout,
    Linear,
    Module,
    Sequential,
    kaiming_uniform,
    linear,
    xavier_uniform,
)
from tinytorch.core.random import manual_seed
from tinytorch.core.tensor import Tensor


class Nested(Module):
    """Modules in an attribute, a list and a dict; a parameter; a buffer; what is neither."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.first = Linear(2, 3, rng=rng)
        self.blocks = [Linear(3, 3, bias=False, rng=rng) for _ in range(2)]
        self.heads = {"a": Linear(3, 1, rng=rng)}
        self.scale = Tensor([2.0], requires_grad=True)
        self.register_buffer("mean", Tensor([0.5]))
        self.register_buffer("seen", Tensor([7]))
        self.steps = Tensor([3])
        self._cache = Tensor([1.0])
        self.name = "nested"

    def forward(self, x):
        x = self.first(x) * self.scale - self.mean
        for block in self.blocks:
            x = block(x)
        return self.heads["a"](x)


def test_parameters_are_found_in_attributes_lists_and_dicts_with_dotted_names():
    names = [name for name, _ in Nested().named_parameters()]
    assert names == [
        "scale",
        "first.weight",
        "first.bias",
        "blocks.0.weight",
        "blocks.1.weight",
        "heads.a.weight",
        "heads.a.bias",
    ]
    assert Nested().num_parameters() == 1 + 6 + 3 + 9 + 9 + 3 + 1


def test_modules_are_found_with_names_each_once():
    model = Nested()
    model.again = model.first
    names = [name for name, _ in model.named_modules()]
    assert names == ["", "first", "blocks.0", "blocks.1", "heads.a"]


def test_modules_in_a_tuple_or_in_lists_of_lists_are_found():
    model = Module()
    model.pair = (Linear(1, 1), [Linear(1, 1), {"deep": Linear(1, 1)}])
    assert list(model.children()) == ["pair.0", "pair.1.0", "pair.1.1.deep"]


def test_a_shared_parameter_comes_once():
    model = Sequential(Linear(2, 2), Linear(2, 2))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_a_frozen_parameter_stays_a_parameter_so_that_it_can_be_thawed():
    model = Nested()
    assert model.first.requires_grad_(False) is model.first
    assert "first.weight" in dict(model.named_parameters())
    model(Tensor([[1.0, 2.0]])).sum().backward()
    assert model.first.weight.grad is None
    assert model.scale.grad is not None
    model.requires_grad_()
    assert all(p.requires_grad for p in model.parameters())


def test_a_result_kept_as_an_attribute_is_no_parameter():
    model = Nested()
    before = len(model.parameters())
    model.last = model(Tensor([[1.0, 2.0]]))
    assert len(model.parameters()) == before


def test_state_holds_parameters_and_buffers_and_loads_to_the_same_answers():
    source, target = Nested(), Nested()
    source.mean.data = np.array([0.25], np.float32)
    for p in source.parameters():
        p.data += 1
    state = source.state_dict()
    assert {"mean", "seen"} <= state.keys()
    assert "steps" not in state
    target.load_state_dict(state)
    x = Tensor([[1.0, 2.0]])
    np.testing.assert_array_equal(target(x).data, source(x).data)


def test_a_state_dict_is_a_copy_and_loading_keeps_each_parameter_the_same_tensor():
    model = Linear(2, 2)
    state = model.state_dict()
    array = model.weight.data
    model.weight.data += 1
    assert not np.array_equal(state["weight"], model.weight.data)
    model.load_state_dict(state)
    assert model.weight.data is array


def test_state_may_be_arrays_lists_or_another_models_parameters():
    source, target = Linear(2, 3), Linear(2, 3)
    target.load_state_dict(dict(source.named_parameters()))
    np.testing.assert_array_equal(target.weight.data, source.weight.data)
    target.load_state_dict({"bias": [1.0, 2.0, 3.0]}, strict=False)
    np.testing.assert_array_equal(target.bias.data, [1, 2, 3])


def test_loading_lists_everything_that_does_not_fit_and_changes_nothing():
    model = Sequential(Linear(2, 3), ReLU(), Linear(3, 1))
    before = model.state_dict()
    state = {"0.weight": np.zeros((2, 4)), "2.weight": np.zeros((3, 1)), "3.bias": np.zeros(1)}
    with pytest.raises(ValueError, match="does not fit Sequential") as caught:
        model.load_state_dict(state)
    for fault in (
        "0.weight: shape (2, 4) does not fit (2, 3)",
        "0.bias: missing",
        "2.bias: missing",
        "3.bias: unexpected",
    ):
        assert fault in str(caught.value)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_without_strict_only_shapes_must_fit():
    model = Linear(2, 3)
    model.load_state_dict({"bias": np.ones(3), "other": np.ones(1)}, strict=False)
    np.testing.assert_array_equal(model.bias.data, [1, 1, 1])
    with pytest.raises(ValueError, match="shape"):
        model.load_state_dict({"bias": np.ones(4)}, strict=False)


def test_loading_between_the_passes_is_noticed_by_backward():
    model = Linear(2, 1)
    y = model(Tensor([[1.0, 2.0]], requires_grad=True)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_train_and_eval_reach_every_module_inside():
    model = Nested()
    model.drop = Sequential(Dropout(0.5))
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())


def test_zero_grad_forgets_all_gradients():
    model = Nested()
    model(Tensor([[1.0, 2.0]])).sum().backward()
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_module_without_forward_says_so():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward\(\): write one"):
        Empty()(1)


def test_records_know_the_modules_they_were_made_in():
    model = Sequential(Linear(2, 2), Sequential(Linear(2, 1)))
    heard = []
    with listening(lambda event: heard.append(event.record.scope)):
        model(Tensor([[1.0, 2.0]]))
    assert heard == [(model, model[0]), (model, model[1], model[1][0])]


def test_repr_shows_what_is_inside():
    model = Sequential(
        Linear(784, 128), ReLU(), Sequential(Dropout(0.1), Linear(128, 10, bias=False))
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(784, 128, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Sequential(\n"
        "    (0): Dropout(p=0.1)\n"
        "    (1): Linear(128, 10, bias=False)\n"
        "  )\n"
        ")"
    )
    assert repr(Module()) == "Module()"


def test_sequential_takes_layers_or_a_list_and_any_callable():
    x = Tensor([[-1.0, 2.0]])
    layers = [ReLU(), lambda t: t * 3]
    assert Sequential(layers)(x).tolist() == Sequential(*layers)(x).tolist() == [[0, 6]]
    assert len(Sequential(layers)) == 2
    assert list(Sequential(layers)) == layers
    assert list(Sequential(tuple(layers))) == layers
    assert len(Sequential()) == 0
    with pytest.raises(TypeError, match="layer 1 is 3, which cannot be called"):
        Sequential(ReLU(), 3)
    with pytest.raises(TypeError, match=r"layer 0 is .*, which cannot be called"):
        Sequential([ReLU()], ReLU())


def test_linear_is_a_matrix_product_and_a_sum_over_any_leading_axes():
    rng = np.random.default_rng(0)
    layer = Linear(3, 2, rng=rng)
    x = rng.standard_normal((4, 5, 3)).astype(np.float32)
    expected = x @ layer.weight.data + layer.bias.data
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=1e-6)
    assert layer(Tensor(x[0, 0])).shape == (2,)
    assert layer.weight.shape == (3, 2)
    assert Linear(3, 2, bias=False).bias is None


def test_linear_says_which_sizes_differ():
    with pytest.raises(ShapeError, match=r"last axis of x \(4, 5\) .* weight \(3, 2\)"):
        Linear(3, 2)(Tensor(np.zeros((4, 5))))
    for x, weight in [((), (3, 2)), ((3,), (3,)), ((3,), (1, 3, 2))]:
        with pytest.raises(ShapeError, match="last axis of x"):
            linear(Tensor(np.zeros(x)), Tensor(np.zeros(weight)), None)
    assert Linear(1, 1).weight.shape == (1, 1)
    for sizes in ((0, 2), (2, 0)):
        with pytest.raises(ValueError, match="sizes must be at least 1"):
            Linear(*sizes)


def test_the_fused_linear_equals_the_composed_one_with_its_gradients():
    rng = np.random.default_rng(0)
    data = [rng.standard_normal(shape) for shape in ((6, 3), (3, 2), (2,))]
    fused = [Tensor(d, dtype=np.float64, requires_grad=True) for d in data]
    composed = [Tensor(d, dtype=np.float64, requires_grad=True) for d in data]
    (linear(*fused) ** 2).sum().backward()
    x, weight, bias = composed
    ((x @ weight + bias) ** 2).sum().backward()
    for a, b in zip(fused, composed, strict=True):
        np.testing.assert_allclose(a.grad, b.grad)


def test_initial_weights_have_the_spread_that_their_source_asks_for():
    rng = np.random.default_rng(0)
    layer = Linear(400, 300, rng=rng)
    assert np.abs(layer.weight.data).max() <= 1 / 20
    assert layer.weight.data.var() == pytest.approx(1 / 3 / 400, rel=0.02)
    assert kaiming_uniform((400, 300), 400, rng).data.var() == pytest.approx(2 / 400, rel=0.02)
    assert xavier_uniform((400, 300), rng).data.var() == pytest.approx(2 / 700, rel=0.02)


def test_initial_weights_require_a_gradient_from_the_start():
    layer = Linear(2, 3)
    assert layer.weight.requires_grad
    assert layer.bias.requires_grad
    assert kaiming_uniform((2, 3), 2).requires_grad
    assert xavier_uniform((2, 3)).requires_grad


def test_the_same_seed_gives_the_same_weights_from_either_source():
    manual_seed(3)
    first = Linear(4, 4).weight.data
    manual_seed(3)
    np.testing.assert_array_equal(first, Linear(4, 4).weight.data)
    a, b = (Linear(4, 4, rng=np.random.default_rng(5)).weight.data for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_dropout_drops_while_training_keeps_the_mean_and_rests_in_evaluation():
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    layer = Dropout(0.25, rng=np.random.default_rng(0))
    y = layer(x)
    assert np.mean(y.data == 0) == pytest.approx(0.25, abs=0.01)
    assert y.data.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(np.unique(y.data), [0, 1 / 0.75], rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)
    assert layer.eval()(x) is x
    assert Dropout(0)(x) is x
    assert Dropout().p == 0.5
    for wrong in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"Dropout\({wrong}\): p is a probability"):
            Dropout(wrong)


def test_the_same_seed_drops_the_same_elements_from_either_source():
    x = Tensor(np.ones(100))
    a, b = (Dropout(rng=np.random.default_rng(5))(x).data for _ in range(2))
    np.testing.assert_array_equal(a, b)
    manual_seed(3)
    first = Dropout()(x).data
    manual_seed(3)
    np.testing.assert_array_equal(first, Dropout()(x).data)


def test_dropout_keeps_a_draw_of_exactly_p_as_draws_begin_at_zero_and_stay_below_one():
    class Draws:
        def random(self, shape, dtype):
            return np.array([0.0, 0.25, 0.5, 0.75], dtype)

    assert Dropout(0.5, rng=Draws())(Tensor([1.0] * 4)).tolist() == [0, 0, 2, 2]


def test_linear_reminds_of_flattening_images_where_that_would_help():
    layer = Linear(2 * 3, 2)
    with pytest.raises(ShapeError, match=r"of weight \(6, 2\); x.flatten\(1\)\?$"):
        layer(Tensor(np.zeros((5, 2, 3))))
    for shape in ((5, 2, 4), (5, 7), (5,)):
        size = shape[-1]
        with pytest.raises(ShapeError, match=rf"of weight \(6, 2\); Linear\({size}, 2\)\?$"):
            layer(Tensor(np.zeros(shape)))
    with pytest.raises(ShapeError, match=r"of weight \(1, 2\); Linear\(3, 2\)\?$"):
        Linear(1, 2)(Tensor(np.zeros(3)))  # one example, of three features
    with pytest.raises(ShapeError, match=r"; x.flatten\(1\), and Linear\(784, 2\)\?$"):
        layer(Tensor(np.zeros((5, 1, 28, 28))))


@pytest.mark.parametrize("size", [3.0, "3", None])
def test_sizes_of_a_linear_layer_are_integers(size):
    with pytest.raises(TypeError, match=r"sizes are integers$"):
        Linear(size, 2)
    assert Linear(np.int64(3), 2).weight.shape == (3, 2)


def test_linear_reminds_of_which_way_round_its_weight_is():
    x, weight = Tensor(np.zeros((5, 3))), Tensor(np.zeros((2, 3)))  # PyTorch's (out, in)
    with pytest.raises(ShapeError, match=r"; weight\.T\? It is \(in, out\) here$"):
        linear(x, weight, None)


def test_a_shape_error_says_in_which_layer_it_was_raised():
    model = Sequential(Linear(4, 3), Sequential(ReLU(), Linear(5, 2)))
    with pytest.raises(ShapeError) as caught:
        model(Tensor(np.zeros((1, 4))))
    assert caught.value.__notes__ == [
        "in layer 1 of Sequential: Linear(5, 2, bias=True)",
        "in layer 1 of Sequential: Sequential(",
    ]


def test_a_layer_whose_parentheses_are_missing_is_caught_when_the_model_is_made():
    with pytest.raises(TypeError, match=r"layer 1 is the class ReLU: write ReLU\(\)"):
        Sequential([Linear(3, 2), ReLU])


@pytest.mark.parametrize(
    "value",
    [np.zeros((3, 2)), Tensor(np.zeros((3, 2))), 0.0, [1.0]],
)
def test_a_parameter_is_not_silently_replaced_by_what_is_not_trained(value):
    layer = Linear(3, 2)
    before = layer.weight
    with pytest.raises(
        TypeError, match=r"Linear\.weight is a parameter, .* model\.weight\.data = a"
    ):
        layer.weight = value
    assert layer.weight is before
    with pytest.raises(TypeError, match="and a result in its place"):
        layer.weight = layer.weight * 2


def test_a_parameter_makes_room_for_another_for_none_and_for_a_module():
    layer = Linear(3, 2)
    layer.weight = Tensor(np.ones((3, 2)), requires_grad=True)
    layer.bias = None
    assert layer.num_parameters() == 6
    layer.weight = Linear(3, 2)
    assert layer.num_parameters() == 8
    frozen = Linear(3, 2)
    frozen.weight.requires_grad = False
    frozen.weight = Tensor(np.zeros((3, 2)))  # nobody trained it


class Masked(Module):
    def __init__(self):
        self.mask = Tensor(np.tril(np.ones((4, 4), np.float32)))
        self.weights = [Tensor(np.ones(2), requires_grad=True)]
        self.scale = Tensor(np.ones(3), requires_grad=True)


def test_a_constant_is_saved_but_neither_counted_nor_trained():
    model = Masked()
    assert [name for name, _ in model.named_parameters()] == ["weights.0", "scale"]
    assert model.num_parameters() == 5
    assert list(model.state_dict()) == ["mask", "weights.0", "scale"]
    model.requires_grad_(True)
    assert not model.mask.requires_grad


def test_a_frozen_parameter_stays_one_however_it_was_frozen():
    model = Masked()
    model.scale.requires_grad = False
    model.weights[0].requires_grad = False
    again = copy.deepcopy(model)
    for either in (model, again):
        assert [name for name, _ in either.named_parameters()] == ["weights.0", "scale"]
        either.requires_grad_(True)
        assert either.scale.requires_grad
        assert either.weights[0].requires_grad


def test_a_tensor_becomes_a_parameter_when_it_begins_to_require_a_gradient():
    model = Masked()
    model.mask.requires_grad = True
    model.weights.append(Tensor(np.ones(1), requires_grad=True))
    names = ["mask", "weights.0", "weights.1", "scale"]
    assert [name for name, _ in model.named_parameters()] == names
    model.requires_grad_(False)
    assert [name for name, _ in model.named_parameters()] == names


def test_the_name_of_a_file_is_no_state_and_load_is_named():
    with pytest.raises(TypeError, match=r"got a str: .*load_state_dict\(tinytorch.load\(path\)\)"):
        Linear(2, 2).load_state_dict("model.safetensors")
