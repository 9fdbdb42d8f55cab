"""Module 07: optimizers move parameters as PyTorch's do, and say what is wrong."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import GradientError, ShapeError, Tensor, load, no_grad, save
from tinytorch.core import context
from tinytorch.core.activations import relu
from tinytorch.core.layers import Linear
from tinytorch.core.optimizers import SGD, Adam, AdamW, Optimizer, adam_update, sgd_update
from tinytorch.core.parameter_groups import UnclearedGradientsWarning
from tinytorch.core.primitive import KERNELS

RECORD = json.loads((Path(__file__).parent / "oracle" / "optimizers.json").read_text("utf-8"))
OPTIMIZERS = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW}
KINDS = [
    (SGD, {"lr": 0.05}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (Adam, {"lr": 0.01, "weight_decay": 0.01}),
    (AdamW, {"lr": 0.01}),
]


def parameter(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return Tensor(values, requires_grad=True)


def with_gradient(parameter, seed=1):
    parameter.grad = np.random.default_rng(seed).standard_normal(parameter.shape, np.float32)
    return parameter


def case_name(case):
    return " ".join([case["optimizer"], *(f"{k}={v}" for k, v in case["options"].items())])


def gradient(x, step):
    """As in oracle/record_optimizers.py."""
    return (x - np.float32(0.5)) + np.float32(0.3) * np.sin(3 * x + np.float32(step))


def run(optimizer, steps):
    """Take steps numbered `steps` with gradients that depend on parameter and step."""
    for step in steps:
        optimizer.zero_grad()
        for p in optimizer.parameters():
            p.grad = gradient(p.data, step)
        optimizer.step()


# The same numbers as PyTorch
@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("case", RECORD["cases"], ids=case_name)
def test_fifty_steps_are_those_that_pytorch_was_recorded_to_take(case, kernels):
    parameters = [Tensor(start, requires_grad=True) for start in RECORD["start"]]
    optimizer = OPTIMIZERS[case["optimizer"]](parameters, **case["options"])
    done = 0
    with context.use(kernels):
        for step, expected in case["after_step"].items():
            run(optimizer, range(done + 1, int(step) + 1))
            done = int(step)
            for p, values in zip(parameters, expected, strict=True):
                np.testing.assert_allclose(p.data, values, atol=2e-6, err_msg=f"step {step}")
    assert done == 50


@pytest.mark.oracle
@pytest.mark.parametrize("case", RECORD["cases"], ids=case_name)
def test_fifty_steps_on_a_network_equal_those_of_pytorch(case):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)  # in float64: Adam magnifies the rounding of tiny gradients
    x, y = rng.standard_normal((16, 5)), rng.standard_normal((16, 2))
    starts = [rng.standard_normal(shape) / 2 for shape in ((5, 7), (7,), (7, 2), (2,))]
    ours = [Tensor(start, np.float64, requires_grad=True) for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    options = {"lr": 1e-2, **case["options"]}
    optimizer = OPTIMIZERS[case["optimizer"]](ours, **options)
    reference = getattr(torch.optim, case["optimizer"])(theirs, **options)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(50):
        optimizer.zero_grad()
        w1, b1, w2, b2 = ours
        error = relu(x @ w1 + b1) @ w2 + b2 - y
        (error * error).mean().backward()
        optimizer.step()
        reference.zero_grad()
        w1, b1, w2, b2 = theirs
        error = torch.relu(inputs @ w1 + b1) @ w2 + b2 - targets
        (error * error).mean().backward()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.oracle
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_that_are_not_given_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    ours = OPTIMIZERS[name]([parameter(2)]).defaults
    theirs = getattr(torch.optim, name)([torch.zeros(2, requires_grad=True)]).defaults
    assert ours == {option: theirs[option] for option in ours}


# Fast forms
def arrays(count, size, dtype, seed):
    rng = np.random.default_rng(seed)
    return [np.abs(rng.standard_normal(size)).astype(dtype) for _ in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from([0, 1, 7, 1000, 32_768, 32_769, 70_001]),
    dtype=st.sampled_from([np.float32, np.float64]),
    step=st.sampled_from([1, 2, 1000]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    decoupled=st.booleans(),
    seed=st.integers(0, 99),
)
def test_adam_in_pieces_gives_what_the_plain_rule_gives(
    size, dtype, step, weight_decay, decoupled, seed
):
    options = {"step": step, "lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-8}
    options |= {"weight_decay": weight_decay, "decoupled": decoupled}
    before, plain, fast = (arrays(4, size, dtype, seed) for _ in range(3))
    adam_update.__wrapped__(*plain, **options)
    with context.use("fast"):
        adam_update(*fast, **options)
    sizes = [np.abs(a) for a in before]
    sizes[0] += np.abs(plain[0] - before[0])  # where the update is large, so is its rounding
    for a, b, size_of_each in zip(plain, fast, sizes, strict=True):
        assert np.all(np.abs(a - b) <= 16 * np.finfo(dtype).eps * (size_of_each + 1e-3))


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from([0, 1, 7, 1000, 32_768, 32_769, 70_001]),
    dtype=st.sampled_from([np.float32, np.float64]),
    with_buffer=st.booleans(),
    nesterov=st.booleans(),
    weight_decay=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 99),
)
def test_sgd_in_pieces_gives_the_same_bits_as_the_plain_rule(
    size, dtype, with_buffer, nesterov, weight_decay, seed
):
    options = {"lr": 0.01, "momentum": 0.9, "weight_decay": weight_decay, "nesterov": nesterov}
    plain, fast = (arrays(3 if with_buffer else 2, size, dtype, seed) for _ in range(2))
    sgd_update.__wrapped__(*plain, **options)
    with context.use("fast"):
        sgd_update(*fast, **options)
    for a, b in zip(plain, fast, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rule", ["adam", "sgd"])
def test_arrays_without_a_flat_view_are_left_to_the_plain_rule(rule):
    def transposed():
        return [a.reshape(3, 4).T for a in arrays(4, 12, np.float32, 0)]

    plain, fast = transposed(), transposed()
    if rule == "adam":
        options = {"step": 3, "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8}
        adam_update.__wrapped__(*plain, **options)
        adam_update(*fast, **options)
    else:
        sgd_update.__wrapped__(*plain[:3], lr=0.1, momentum=0.9)
        sgd_update(*fast[:3], lr=0.1, momentum=0.9)
    for a, b in zip(plain, fast, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_fast_form_is_what_runs_unless_plain_is_chosen(monkeypatch):
    from tinytorch.core import primitive

    seen = []
    spy = primitive.Kernel(lambda arrays, params, saving: seen.append(len(arrays)), None)
    monkeypatch.setitem(primitive.KERNELS["adam_update"], "fast", spy)
    optimizer = Adam([with_gradient(parameter(3))])
    optimizer.step()
    assert seen == [4]
    optimizer.zero_grad()
    with_gradient(optimizer.parameters()[0])
    with context.use("plain"):
        optimizer.step()
    assert seen == [4]


def test_a_rule_defined_outside_the_package_runs_as_it_is_written():
    from tinytorch.core.primitive import routine

    def adam_update(parameter):
        parameter += 1

    x = np.zeros(3)
    routine(adam_update)(x)
    np.testing.assert_array_equal(x, 1)


# What a step changes
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_step_changes_the_parameters_own_array(kind, options):
    p = with_gradient(parameter(4, 3))
    array, before, grad = p.data, p.data.copy(), p.grad.copy()
    kind([p], **options).step()
    assert p.data is array
    assert p.data.flags.c_contiguous
    assert not np.array_equal(before, array)
    np.testing.assert_array_equal(p.grad, grad)


def test_backward_refuses_a_graph_whose_parameter_was_stepped_in_between():
    w = parameter(3, 2)
    optimizer = SGD([w], lr=0.1)
    y = (Tensor(np.ones((1, 3)), requires_grad=True) @ w).sum()
    w.grad = np.ones_like(w.data)
    optimizer.step()
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_parameters_without_gradient_and_frozen_ones_stay(kind, options):
    moved, unused, frozen = parameter(2), parameter(2), parameter(2)
    frozen.requires_grad = False
    optimizer = kind([moved, unused, frozen], **options)
    with_gradient(moved)
    with_gradient(frozen)
    start = moved.data.copy()
    optimizer.step()
    assert not np.array_equal(moved.data, start)
    np.testing.assert_array_equal(unused.data, start)
    np.testing.assert_array_equal(frozen.data, start)
    assert all(name.startswith("0.") for name in optimizer.state_dict()["state"])


def test_a_parameter_that_joins_late_has_a_bias_correction_of_its_own():
    early, late, alone = parameter(2), parameter(2), parameter(2)
    both = Adam([early, late], lr=0.1)
    for _ in range(5):
        both.zero_grad()
        with_gradient(early)
        both.step()
    both.zero_grad()
    with_gradient(late)
    both.step()
    with_gradient(alone)
    Adam([alone], lr=0.1).step()
    np.testing.assert_array_equal(late.data, alone.data)


def test_zero_grad_forgets_all_gradients():
    a, b = with_gradient(parameter(2)), with_gradient(parameter(3))
    optimizer = SGD([{"params": [a]}, {"params": [b]}])
    optimizer.zero_grad()
    assert a.grad is None
    assert b.grad is None


def test_a_number_of_numpy_as_learning_rate_does_not_change_the_arithmetic():
    a, b = with_gradient(parameter(50)), with_gradient(parameter(50))
    SGD([a], lr=0.1, momentum=0.9).step()
    optimizer = SGD([b], lr=1.0, momentum=0.9)
    optimizer.param_groups[0]["lr"] = np.float64(0.1)
    with context.use("plain"):
        optimizer.step()
    np.testing.assert_array_equal(a.data, b.data)


def test_a_step_leaves_no_records_and_works_inside_no_grad():
    p = with_gradient(parameter(2))
    with no_grad():
        SGD([p]).step()
    assert p.node is None


# Groups
def test_each_group_has_its_own_options_and_the_defaults_for_the_rest():
    slow, fast = with_gradient(parameter(3)), with_gradient(parameter(3))
    start = slow.data.copy()
    optimizer = SGD([{"params": [slow]}, {"params": fast, "lr": 0.5}], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(slow.data, start - 0.1 * slow.grad, rtol=1e-6)
    np.testing.assert_allclose(fast.data, start - 0.5 * fast.grad, rtol=1e-6)


def test_a_schedule_changes_the_learning_rate_through_the_groups():
    p = with_gradient(parameter(3))
    start = p.data.copy()
    optimizer = SGD([p], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    np.testing.assert_array_equal(p.data, start)


def test_parameters_can_be_added_later():
    first, later = parameter(2), parameter(2)
    optimizer = SGD([first], lr=0.1)
    optimizer.add_param_group({"params": [later], "lr": 1.0})
    with_gradient(later)
    before = later.data.copy()
    optimizer.step()
    np.testing.assert_allclose(later.data, before - later.grad, rtol=1e-6)


def test_the_representation_shows_groups_and_options():
    optimizer = SGD([{"params": [parameter(2)]}, {"params": [parameter(1)], "lr": 0.5}], lr=0.1)
    assert repr(optimizer) == (
        "SGD(\n"
        "  1 parameters, lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False\n"
        "  1 parameters, lr=0.5, momentum=0.0, weight_decay=0.0, nesterov=False\n"
        ")"
    )


# Saving
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_run_goes_on_to_the_same_bits_from_a_saved_state(kind, options, tmp_path):
    whole, before, after = ([parameter(40, 3), parameter(3)] for _ in range(3))
    run(kind(whole, **options), range(20))

    first = kind(before, **options)
    run(first, range(8))
    state = first.state_dict()
    save(state["state"], tmp_path / "optimizer.safetensors")
    groups = json.dumps(state["param_groups"])

    for p, q in zip(before, after, strict=True):
        q.data = p.data.copy()
    second = kind(after, lr=0.7)
    second.load_state_dict(
        {"state": load(tmp_path / "optimizer.safetensors"), "param_groups": json.loads(groups)}
    )
    assert {**second.param_groups[0], "params": before} == {
        **first.param_groups[0],
        "params": before,
    }
    run(second, range(8, 20))
    for p, q in zip(whole, after, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_saved_state_names_arrays_by_the_position_of_their_parameter():
    a, b = with_gradient(parameter(2)), with_gradient(parameter(3))
    optimizer = Adam([{"params": [a]}, {"params": [b], "lr": 0.5}])
    optimizer.step()
    state = optimizer.state_dict()
    assert set(state["state"]) == {
        f"{i}.{name}" for i in (0, 1) for name in ("step", "exp_avg", "exp_avg_sq")
    }
    assert state["state"]["1.exp_avg"].shape == (3,)
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in state["param_groups"]] == [1e-3, 0.5]


def test_the_options_of_a_saved_state_are_what_json_holds():
    betas = [np.float32(0.5), 0.75]
    group = {"params": [parameter(2)], "lr": np.float32(0.5), "betas": betas}
    groups = Adam([group, {"params": [parameter(2)]}]).state_dict()["param_groups"]
    assert json.loads(json.dumps(groups)) == groups
    assert [g["betas"] for g in groups] == [[0.5, 0.75], [0.9, 0.999]]
    assert type(groups[0]["lr"]) is float


def test_a_loaded_state_lies_row_by_row_as_the_fast_forms_need_it():
    p = parameter(3, 4)
    optimizer = SGD([p], momentum=0.9)
    run(optimizer, [1])
    saved = optimizer.state_dict()
    expected = saved["state"]["0.momentum_buffer"]
    saved["state"]["0.momentum_buffer"] = np.asfortranarray(expected)
    optimizer.load_state_dict(saved)
    loaded = optimizer.state[p]["momentum_buffer"]
    np.testing.assert_array_equal(loaded, expected)
    assert loaded.flags.c_contiguous


def test_a_saved_state_is_a_copy():
    p = parameter(3)
    optimizer = SGD([p], momentum=0.9)
    run(optimizer, [1])
    saved = optimizer.state_dict()
    kept = saved["state"]["0.momentum_buffer"].copy()
    run(optimizer, [2])
    np.testing.assert_array_equal(saved["state"]["0.momentum_buffer"], kept)
    other = SGD([parameter(3)], momentum=0.9)
    other.load_state_dict(saved)
    run(other, [2])
    np.testing.assert_array_equal(saved["state"]["0.momentum_buffer"], kept)


def spoiled(change):
    optimizer = Adam([parameter(2), parameter(3)])
    run(optimizer, [1])
    state = optimizer.state_dict()
    change(state)
    return state


MISFITS = [
    (lambda s: s["state"].update({"7.exp_avg": np.zeros(2)}), "7.exp_avg, which is unknown here"),
    (lambda s: s["state"].update({"0.speed": np.zeros(2)}), "0.speed, which is unknown here"),
    (
        lambda s: s["state"].update({"1.exp_avg": np.zeros(4)}),
        r"1.exp_avg of shape \(4,\), not \(3,\)",
    ),
    (lambda s: s["state"].pop("1.exp_avg_sq"), "step, exp_avg but no exp_avg_sq for 1"),
    (lambda s: s["param_groups"][0].pop("eps"), "options .*, not .*eps"),
    (
        lambda s: s["param_groups"][0].update(params=[0]),
        r"parameters \[\[0\]\], not \[\[0, 1\]\], in groups",
    ),
    (lambda s: s["param_groups"].append({}), "parameters .*None"),
    (lambda s: s.pop("state"), 'has "state" and "param_groups"'),
]


@pytest.mark.parametrize(("change", "message"), MISFITS, ids=[message for _, message in MISFITS])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    optimizer = Adam([parameter(2), parameter(3)], lr=0.7)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(spoiled(change))
    assert optimizer.state_dict()["state"] == {}
    assert optimizer.param_groups[0]["lr"] == 0.7


def test_the_state_of_another_optimizer_is_refused():
    p = parameter(2)
    sgd = SGD([p], momentum=0.9)
    run(sgd, [1])
    with pytest.raises(ValueError, match="does not fit Adam"):
        Adam([p]).load_state_dict(sgd.state_dict())


# Gradients that nobody cleared
def caught(work):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        work()
    return [w for w in seen if issubclass(w.category, UnclearedGradientsWarning)]


def loop(optimizer, w, steps, clear=None, backwards=1):
    for _ in range(steps):
        if clear:
            clear()
        for _ in range(backwards):
            (w * w).sum().backward()
        optimizer.step()


def test_a_loop_without_zero_grad_is_warned_once_and_told_the_fix():
    w = parameter(3)
    optimizer = SGD([w], lr=0.01)
    seen = caught(lambda: loop(optimizer, w, 5))
    assert len(seen) == 1
    assert "Call optimizer.zero_grad() before backward()" in str(seen[0].message)
    assert seen[0].filename == __file__


def test_the_loop_without_zero_grad_still_accumulates_as_pytorch_does():
    w = Tensor([1.0], requires_grad=True)
    optimizer = SGD([w], lr=0.1)
    caught(lambda: loop(optimizer, w, 2))  # gradients 2, then 2 + 1.6
    np.testing.assert_allclose(w.data, [1 - 0.1 * 2 - 0.1 * 3.6], rtol=1e-6)


def test_a_second_step_on_the_very_same_gradients_is_warned_of():
    optimizer = SGD([with_gradient(parameter(3))])
    optimizer.step()
    assert len(caught(optimizer.step)) == 1


@pytest.mark.parametrize("backwards", [1, 3])
def test_gradients_that_were_cleared_cause_no_warning_however_often_they_are_added_to(backwards):
    w = parameter(3)
    optimizer = SGD([w], lr=0.01)

    def by_hand():
        w.grad = None

    assert not caught(lambda: loop(optimizer, w, 50, optimizer.zero_grad, backwards))
    assert not caught(lambda: loop(optimizer, w, 50, by_hand, backwards))


def test_a_new_gradient_at_a_freed_ones_address_is_not_taken_for_it():
    w = parameter(1000)
    optimizer = SGD([w], lr=0.01)
    addresses = []

    def work():
        for _ in range(50):
            w.grad = None
            w.grad = np.ones(1000, np.float32)
            addresses.append(id(w.grad))
            optimizer.step()

    assert not caught(work)
    assert len(set(addresses)) < len(addresses), "no address was used twice: the test shows nothing"


def test_cleared_gradients_are_not_kept_alive_by_the_optimizer():
    import weakref

    w = with_gradient(parameter(3))
    optimizer = Adam([w])
    optimizer.step()
    gone = weakref.ref(w.grad)
    optimizer.zero_grad()
    assert gone() is None


def test_one_parameter_left_uncleared_is_enough_for_the_warning():
    a, b = with_gradient(parameter(2)), with_gradient(parameter(2))
    optimizer = SGD([a, b])
    optimizer.step()
    a.grad = np.ones(2, np.float32)
    assert len(caught(optimizer.step)) == 1


def test_the_gradient_of_a_frozen_parameter_is_nobodys_and_needs_no_clearing():
    frozen, trained = with_gradient(parameter(2)), with_gradient(parameter(2))
    optimizer = SGD([frozen, trained])
    frozen.requires_grad = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            optimizer.step()
            trained.grad = trained.grad.copy()


def test_two_optimizers_may_use_the_same_gradients():
    w = with_gradient(parameter(3))
    assert not caught(lambda: (SGD([w]).step(), Adam([w]).step()))


def test_a_warning_that_is_made_an_error_stops_the_step_before_it_changes_anything():
    w = with_gradient(parameter(3))
    optimizer = SGD([w], lr=0.1)
    optimizer.step()
    before = w.data.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnclearedGradientsWarning):
            optimizer.step()
    np.testing.assert_array_equal(w.data, before)


# What cannot be optimized
def result():
    return parameter(2) * 2


REFUSED = [
    (lambda: SGD([]), ValueError, "SGD: the list of parameters is empty. Was it a used generator"),
    (lambda: SGD([{"params": []}]), ValueError, "the list of parameters is empty"),
    (lambda: SGD([{"lr": 1}]), ValueError, 'a group needs "params", a list of tensors'),
    (lambda: SGD(parameter(2)), TypeError, r"for a single tensor, write \[tensor\]"),
    (lambda: SGD({"params": []}), TypeError, r"for a single group, write \[group\]"),
    (lambda: SGD([parameter(2), np.zeros(2)]), TypeError, "parameter 1 is a ndarray, not a tensor"),
    (
        lambda: SGD([("w", parameter(2))]),
        TypeError,
        r"parameter 0 is a tuple.*model.parameters\(\)",
    ),
    (lambda: SGD([{"params": [parameter(2)]}, parameter(2)]), TypeError, "groups are dicts"),
    (lambda: SGD([Tensor([1, 2])]), TypeError, "parameter 0 is int64.*dtype=np.float32"),
    (lambda: SGD([Tensor([1.0])]), GradientError, "none of the parameters requires a gradient"),
    (lambda: SGD([parameter(2), result()]), GradientError, "parameter 1 is the result of mul"),
    (lambda: Adam(Linear(2, 2)), TypeError, r"got a Linear.*model.parameters\(\)"),
    (lambda: SGD([parameter(2)], lr=-0.1), ValueError, "SGD: lr=-0.1: .* a number, at least 0"),
    (lambda: SGD([parameter(2)], lr="0.1"), TypeError, "SGD: lr='0.1': .* a number, at least 0"),
    (lambda: SGD([parameter(2)], momentum=None), TypeError, "momentum=None: it must be a number"),
    (lambda: SGD([parameter(2)], lr=float("nan")), ValueError, "lr=nan"),
    (lambda: SGD([parameter(2)], momentum=-1), ValueError, "momentum=-1: .* a number, at least 0"),
    (lambda: SGD([parameter(2)], weight_decay=-1), ValueError, "weight_decay=-1"),
    (
        lambda: SGD([parameter(2)], nesterov=True),
        ValueError,
        "momentum=0.0: it must be above 0 for nesterov",
    ),
    (lambda: Adam([parameter(2)], eps=-1), ValueError, "Adam: eps=-1: .* a number, at least 0"),
    (lambda: Adam([parameter(2)], betas=0.9), TypeError, "betas=0.9: it must be two numbers"),
    (lambda: Adam([parameter(2)], betas=(0.9, "1")), TypeError, "it must be two numbers"),
    (lambda: Adam([parameter(2)], betas=(0.9,)), ValueError, r"betas=\(0.9,\): .* two numbers"),
    (lambda: Adam([parameter(2)], betas=(0.9, 1.0)), ValueError, r"betas=\(0.9, 1.0\)"),
    (lambda: Adam([parameter(2)], betas=(1.0, 0.9)), ValueError, r"betas=\(1.0, 0.9\)"),
    (lambda: Adam([parameter(2)], betas=(-0.1, 0.9)), ValueError, "each at least 0 and below 1"),
    (lambda: AdamW([parameter(2)], lr=-1), ValueError, "AdamW: lr=-1"),
    (
        lambda: SGD([{"params": [parameter(2)], "beta": 1}]),
        ValueError,
        "SGD has no option beta; it has lr, momentum, weight_decay, nesterov",
    ),
    (lambda: SGD([{"params": [parameter(2)], "lr": -1}]), ValueError, "lr=-1"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_what_cannot_be_optimized_is_refused_with_the_reason(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_parameter_listed_twice_is_refused_within_a_group_and_across_groups():
    p = parameter(2)
    for twice in ([p, p], [{"params": [p]}, {"params": [p]}]):
        with pytest.raises(ValueError, match=r"parameter 1, of shape \(2,\), is listed twice"):
            SGD(twice)


def test_a_gradient_of_another_shape_is_refused():
    p = parameter(2, 3)
    p.grad = np.ones(3, np.float32)
    with pytest.raises(ShapeError, match=r"of shape \(3,\) for a parameter of \(2, 3\)"):
        SGD([p]).step()


def test_the_ends_of_a_range_are_taken_where_they_make_sense():
    SGD([parameter(2)], lr=0, momentum=0, weight_decay=0)
    Adam([parameter(2)], lr=0, betas=(0, 0), eps=0)


def test_an_optimizer_of_ones_own_may_have_no_option_but_those_it_names():
    class Drift(Optimizer):
        def update(self, parameter, gradient, state, group):
            parameter += group["wind"]

    p = with_gradient(Tensor([1.0, 2.0], requires_grad=True))
    Drift([p], wind=2.0).step()
    assert p.data.tolist() == [3, 4]


def test_an_optimizer_of_ones_own_needs_an_update():
    class Lazy(Optimizer):
        pass

    with pytest.raises(NotImplementedError, match="Lazy has no update"):
        Lazy([with_gradient(parameter(2))]).step()


def test_options_that_are_not_given_are_those_that_pytorch_has_too():
    momentum = {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False}
    assert SGD([parameter(2)]).defaults == {"lr": 1e-3, **momentum}
    adam = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    assert Adam([parameter(2)]).defaults == adam
    assert AdamW([parameter(2)]).defaults == adam | {"weight_decay": 1e-2}


def test_without_momentum_nothing_is_kept():
    p = with_gradient(parameter(2))
    optimizer = SGD([p])
    optimizer.step()
    assert optimizer.state == {p: {}}


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_a_rule_that_is_given_no_options_is_the_simplest_of_its_kind(kernels):
    p, g = (a.astype(np.float64) for a in arrays(2, 5, np.float32, 0))
    with context.use(kernels):
        plain_descent = p.copy()
        sgd_update(plain_descent, g, lr=0.1)
        np.testing.assert_allclose(plain_descent, p - 0.1 * g)

        buffer, forgetful = np.ones(5), p.copy()
        sgd_update(forgetful, g, buffer, lr=0.1)  # momentum 0 forgets the buffer
        np.testing.assert_allclose(forgetful, p - 0.1 * g)

        buffer, heavy = np.ones(5), p.copy()
        sgd_update(heavy, g, buffer, lr=0.1, momentum=0.9)  # the buffer, not Nesterov's look ahead
        np.testing.assert_allclose(heavy, p - 0.1 * (0.9 + g))

        p = -100 * g  # so that a weight decay nobody asked for would turn the step round
        first = p.copy()
        options = {"step": 1, "lr": 0.1, "betas": (0.9, 0.99), "eps": 0.0}
        adam_update(first, g, np.zeros(5), np.zeros(5), **options)
        np.testing.assert_allclose(first, p - 0.1 * np.sign(g))  # Adam's first step is +-lr

        first = p.copy()
        adam_update(first, g, np.zeros(5), np.zeros(5), **options, weight_decay=1.0)
        np.testing.assert_allclose(first, p + 0.1 * np.sign(g))  # L2, unless decoupled is asked for


@pytest.mark.parametrize("name", ["adam_update", "sgd_update"])
def test_fast_forms_are_attached_and_take_contiguous_arrays_of_one_floating_point_type(name):
    options = {"step": 1, "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8}

    def takes(given):
        return KERNELS[name]["fast"].forward(given, dict(options), False) is not None

    def of(dtype, size=6):
        return arrays(4 if name == "adam_update" else 3, size, dtype, 0)

    assert takes(of(np.float32))
    assert takes(of(np.float64, 40_000))
    assert not takes(of(np.float16))
    assert not takes([*of(np.float32)[:1], *of(np.float64)[1:]])
    assert not takes([*of(np.float32)[:2], *(a[::2] for a in of(np.float32, 12)[2:])])
