"""Compiled kernels: equal to the plain definitions, in threads too; and what is without numba."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch.core.autograd  # noqa: F401
from tinytorch import Tensor
from tinytorch.arch.embeddings import embedding
from tinytorch.arch.transformers import Transformer, layer_norm
from tinytorch.core.activations import gelu, relu, softmax
from tinytorch.core.context import use
from tinytorch.core.optimizers import Adam, AdamW, adam_update
from tinytorch.core.primitive import KERNELS
from tinytorch.opt import compiled
from tinytorch.opt.kernel_check import check_kernel
from tinytorch.opt.parallel import BatchParallel


def test_without_numba_loading_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'python -m pip install "tinytorch-opt\[fast\]"'):
        compiled.load()


def test_numba_is_not_imported_before_it_is_asked_for():
    code = "import sys, tinytorch.opt.compiled; print('numba' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


@pytest.fixture
def loaded():
    pytest.importorskip("numba", reason='numba is not installed: pip install "tinytorch-opt[fast]"')
    compiled.load()


def drawn(*shapes, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [(scale * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]


# Equal
@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("name", ["gelu", "softmax"])
def test_values_and_gradients_are_those_of_the_plain_definition(name):
    assert check_kernel(name, into="compiled") > 5
    for scale in (1e-3, 30, 1000):
        (x,) = drawn((40, 333), scale=scale)
        assert check_kernel(name, (x,), (x.T,), (x[::2, ::3],), into="compiled") == 3


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 3, 257), (700, 64)], ids=str)
def test_layer_norm_is_that_of_the_plain_definition_with_and_without_parameters(shape):
    x, weight, bias = drawn(shape, shape[-1:], shape[-1:])
    cases = [(x, weight, bias), (x, None, bias), (x, weight, None), (x + 3, None, None)]
    cases.append((x, weight, bias, {"eps": 0.1}))
    assert check_kernel("layer_norm", *cases, into="compiled") == 5
    assert check_kernel("layer_norm", (x.T.copy().T, weight, bias), into="compiled") == 1


@pytest.mark.usefixtures("loaded")
def test_the_gradient_of_an_embedding_adds_up_what_repeats():
    (weight,) = drawn((7, 5))
    for indices in ([0, 0, 0], [[6, 1], [1, 2]], 3):
        case = (np.asarray(indices), weight)
        assert check_kernel("embedding", case, (*case, {"padding_idx": 1}), into="compiled") == 2
    with use("compiled"), pytest.raises(IndexError, match="index 7, but the vocabulary has 7"):
        embedding([7], Tensor(weight))


@pytest.mark.usefixtures("loaded")
@given(
    size=st.integers(1, 100),
    step=st.sampled_from([1, 2, 1000]),
    decay=st.sampled_from([0.0, 0.1]),
    decoupled=st.booleans(),
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.5)]),
    eps=st.sampled_from([1e-8, 0.1]),
)
@settings(max_examples=30, deadline=None)
def test_a_step_of_adam_is_that_of_the_plain_definition(size, step, decay, decoupled, betas, eps):
    p, g, m, v = drawn((size,), (size,), (size,), (size,))
    v = np.abs(v)
    options = {"step": step, "lr": 0.01, "betas": betas, "eps": eps, "weight_decay": decay}
    results = []
    for kernels in ("plain", "compiled"):
        arrays = [a.copy() for a in (p, g, m, v)]
        with use(kernels):
            adam_update(*arrays, **options, decoupled=decoupled)
        results.append(arrays)
    for plain, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, plain, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(results[1][1], g)


@pytest.mark.usefixtures("loaded")
def test_where_no_folder_can_be_written_loops_are_compiled_all_the_same(monkeypatch):
    from tinytorch.opt.compiled import compiling

    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available")
        return lambda function: ("compiled", function, sorted(options))

    monkeypatch.setattr(compiling._numba, "njit", njit)
    made = compiling.compiled(len)
    assert made == ("compiled", len, ["error_model", "fastmath", "nogil"])


@pytest.mark.usefixtures("loaded")
def test_the_exponential_is_right_to_half_a_millionth_and_at_its_edges():
    from tinytorch.opt.compiled.compiling import exp

    for x in (*np.linspace(-87, 88, 1001), 1e-20, -1e-20, 0):
        x = np.float32(x)
        assert exp(x) == pytest.approx(math.exp(float(x)), rel=5e-7)
    assert exp(np.float32(-100)) == exp(np.float32(-np.inf)) == 0
    assert exp(np.float32(100)) == exp(np.float32(np.inf)) == np.inf
    assert np.isnan(exp(np.float32(np.nan)))


@pytest.mark.usefixtures("loaded")
def test_edges_of_softmax_survive():
    x = np.zeros((5, 40), np.float32)
    x[0, 0], x[1, 0], x[2, 0], x[3, 0] = -np.inf, 1e4, np.nan, 86
    x[4] = -500
    with use("compiled"):
        got = softmax(Tensor(x)).data
    with use("plain"):
        expected = softmax(Tensor(x)).data
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-12)
    assert got[0, 0] == 0


# At the door
@pytest.mark.usefixtures("loaded")
def test_what_has_no_compiled_kernel_keeps_its_fast_one():
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    with use("compiled"):
        assert relu(x).node.kernel is KERNELS["relu"]["fast"]
        assert gelu(x).node.kernel is KERNELS["gelu"]["compiled"]
        assert softmax(x, axis=0).node.kernel is None  # over rows only
        wide = Tensor(np.ones((200, 200)), dtype=np.float64, requires_grad=True)
        assert gelu(wide).node.kernel is None
        norm = [Tensor(np.ones(200)), Tensor(np.ones(200))]
        assert layer_norm(wide, *norm).node.kernel is None
        assert softmax(wide).node.kernel is None


@pytest.mark.usefixtures("loaded")
def test_large_arrays_that_a_record_lets_go_are_not_missed():
    (x,) = drawn((300, 300))
    found = []
    for kernels in ("plain", "compiled"):
        leaf = Tensor(x, requires_grad=True)
        with use(kernels):
            softmax(gelu(leaf * 2.0) * 3.0)[:, 0].sum().backward()
        found.append(leaf.grad)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("optimizer", [Adam, AdamW])
def test_a_gpt_learns_the_same_with_compiled_kernels_and_in_threads(optimizer, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tokens = np.random.default_rng(0).integers(0, 11, (2, 6, 8))
    losses = []
    for kernels, threads in (("plain", 1), ("compiled", 1), ("compiled", 2)):
        model = Transformer(
            11, d_model=16, n_heads=2, n_layers=1, context=8, rng=np.random.default_rng(1)
        )
        steps = optimizer(model.parameters(), lr=0.01, weight_decay=0.1)
        threaded = BatchParallel(model, threads)
        with use(kernels):
            for _ in range(5):
                steps.zero_grad()
                loss = threaded(*tokens)
                loss.backward()
                steps.step()
        losses.append(loss.item())
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-4)


@pytest.mark.usefixtures("loaded")
def test_parameters_of_another_type_or_layout_are_left_to_the_plain_rule():
    for array, digits in ((np.ones((4, 3)), 1e-12), (np.ones((4, 3), np.float32).T, 1e-5)):
        arrays = [array.copy(order="K") for _ in range(4)]
        with use("compiled"):
            adam_update(*arrays, step=1, lr=0.1, betas=(0.9, 0.999), eps=0.0)
        # (0.9 + 0.1) / 1 corrected by 1 - 0.9, over the root of (0.999 + 0.001) by 1 - 0.999
        np.testing.assert_allclose(arrays[0], 1 - 0.1 * 10 / math.sqrt(1000), rtol=digits)
