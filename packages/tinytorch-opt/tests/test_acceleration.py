"""The forms of a computation: equal, counted, and held against the first one and the roofline."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.core.activations import gelu
from tinytorch.core.context import use
from tinytorch.opt import acceleration
from tinytorch.opt.acceleration import BIAS_GELU, MATMUL, Form, Rung, gate, ladder, table

SIZES = st.integers(1, 40)


def drawn(*shapes, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("form", BIAS_GELU, ids=lambda form: form.name)
@given(rows=SIZES, columns=SIZES, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_each_form_of_bias_gelu_is_gelu_of_the_sum(form, rows, columns, seed):
    x, bias = drawn((rows, columns), (columns,), seed=seed)
    with use("plain"):
        expected = gelu(Tensor(x) + Tensor(bias)).data
    got = form.run(x, bias)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", MATMUL, ids=lambda form: form.name)
@given(n=SIZES, k=SIZES, m=SIZES, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_each_form_of_the_matrix_product_is_numpys(form, n, k, m, seed):
    x, y = drawn((n, k), (k, m), seed=seed)
    np.testing.assert_allclose(form.run(x, y), x @ y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", BIAS_GELU, ids=lambda form: form.name)
@pytest.mark.parametrize("shape", [(700, 300), (3, acceleration.TILE + 1), (0, 4)], ids=str)
def test_tiles_cover_every_row_once_at_their_edges_too(form, shape):
    x, bias = drawn(shape, shape[1:])
    before = x.copy()
    expected = acceleration.bias_gelu_vectorised(x, bias)
    np.testing.assert_allclose(form.run(x, bias), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("tile", [1, 3, 16, 100])
def test_squares_of_every_size_make_up_the_matrix_product(tile):
    x, y = drawn((33, 17), (17, 20))
    np.testing.assert_allclose(acceleration.matmul_tiled(x, y, tile), x @ y, rtol=1e-4, atol=1e-5)


def test_values_are_those_that_pytorch_gives():
    # torch 2.13, float64: F.gelu(torch.tensor([-1.5, 0.25, 2.0]) + 0.5, approximate="tanh")
    expected = [-0.15880800939172324, 0.5799605551656203, 2.484915733910001]
    for form in BIAS_GELU:
        x, bias = np.array([[-1.5, 0.25, 2.0]], np.float32), np.full(3, 0.5, np.float32)
        np.testing.assert_allclose(form.run(x, bias)[0], expected, rtol=1e-5)


def test_work_is_the_same_for_all_forms_and_bytes_are_what_each_moves():
    x, bias = np.zeros((2000, 100), np.float32), np.zeros(100, np.float32)
    assert {form.flops(x, bias) for form in BIAS_GELU} == {2_000_000}
    assert [form.bytes(x, bias) for form in BIAS_GELU] == [800_000 * n for n in (2, 24, 2, 2)]
    x, y = np.zeros((256, 128), np.float32), np.zeros((128, 256), np.float32)
    assert {form.flops(x, y) for form in MATMUL} == {2 * 256 * 128 * 256}
    least = 4 * (256 * 128 + 128 * 256 + 256 * 256)
    assert [form.bytes(x, y) for form in MATMUL] == [
        least,
        3 * 256 * 4 * 128 * 256,
        4 * (2 * 256 * 128 + 2 * 128 * 256 + 2 * 256 * 256),  # two squares across, two down
        least,
    ]


class Flat:
    """A roofline of 100 FLOP/s below 1 GFLOP/s."""

    def attainable(self, intensity):
        return min(1e9, 100 * intensity)


def test_a_ladder_finds_numpy_far_faster_than_a_loop_and_compares_with_the_roof():
    x, y = drawn((60, 60), (60, 60))
    rungs = ladder(MATMUL, x, y, roof=Flat())
    assert [rung.form for rung in rungs] == ["loop", "vectorised", "tiled", "BLAS"]
    assert rungs[0].speedup == 1
    # hundreds of times faster, so that no load of the machine hides it
    assert gate(rungs).form == "BLAS"
    for rung in rungs:
        assert rung.quartiles is not None
        assert rung.quartiles[0] <= rung.seconds <= rung.quartiles[1]
        assert rung.rate == pytest.approx(2 * 60**3 / rung.seconds)
        assert rung.attainable == pytest.approx(min(1e9, 100 * 2 * 60**3 / rung.bytes))
        assert rung.share == pytest.approx(rung.rate / rung.attainable)


def test_a_form_that_computes_something_else_is_refused():
    wrong = Form("short cut", lambda x, bias: np.maximum(x + bias, 0), *[lambda *_: 1] * 2)
    with pytest.raises(ArithmeticError, match=r"^short cut is up to 0.1.* away from loop"):
        ladder((BIAS_GELU[0], wrong), *drawn((20, 20), (20,)))
    nan = Form("nan", lambda x, bias: x * np.nan, *[lambda *_: 1] * 2)
    with pytest.raises(ArithmeticError, match="nan"):
        ladder((BIAS_GELU[0], nan), *drawn((20, 20), (20,)))


def test_a_form_that_runs_once_has_no_spread(monkeypatch):
    monkeypatch.setattr("tinytorch.opt.ladder.SLOW", 0.0)
    (rung,) = ladder(BIAS_GELU[:1], *drawn((5, 5), (5,)))
    assert rung.quartiles is None
    assert "one run" in table([rung])


def made_up(*seconds, spread=None):
    """Rungs of such times; with `spread`, quartiles so far below and above them."""
    return [
        Rung(
            f"form {i}",
            s,
            seconds[0] / s,
            1000,
            10,
            quartiles=None if spread is None else (s - spread, s + spread),
        )
        for i, s in enumerate(seconds)
    ]


def test_the_gate_asks_about_the_last_form_and_names_it():
    assert gate(made_up(1.0, 0.5, 0.09)).form == "form 2"
    # a faster one before it does not open the gate for it
    with pytest.raises(ArithmeticError, match=r"^form 2 takes 200 ms: 5.0 times as fast as form 0"):
        gate(made_up(1.0, 0.01, 0.2))
    with pytest.raises(ArithmeticError, match=r"^form 1 .*: 9.1 times as fast as form 0, and 10 w"):
        gate(made_up(1.0, 0.11))
    assert gate(made_up(1.0, 0.5), least=2).form == "form 1"


def test_the_gate_asks_about_another_form_or_against_another_one_where_told_so():
    rungs = made_up(1.0, 0.05, 0.04)
    assert gate(rungs, form="form 1").form == "form 1"
    assert gate(rungs, 1.2, over="form 1").form == "form 2"
    with pytest.raises(ArithmeticError, match=r"^form 2 takes 40 ms: 1.2 times as fast as form 1,"):
        gate(rungs, 1.5, over="form 1")
    with pytest.raises(ValueError, match=r"no form is called 'fused'; there are form 0, form 1, f"):
        gate(rungs, over="fused")


def test_the_table_shows_every_form_with_and_without_a_roof():
    text = table([*made_up(1.0, 0.002), Rung("roofed", 1e-3, 1000, 500, 10, 1e6)])
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["form", "form", "form", "roofed"]
    assert "500.0x" in lines[2]
    assert lines[3].endswith("50.0%")
    assert "roof:" not in table(made_up(1.0, 0.002))
    assert math.isclose(made_up(2.0)[0].rate, 500)


def test_the_table_says_that_a_cache_may_exceed_the_roof_and_where_one_did():
    below, above = (Rung(name, 1e-3, 1, n, 10, 1e6) for name, n in (("low", 500), ("high", 1695)))
    alone, both = (" ".join(table(rungs).split()) for rungs in ([below], [below, above]))
    assert alone.endswith("that of main memory; data that a cache holds may exceed it.")
    assert "169.5%" in both
    assert both.endswith("may exceed it, as those of high did.")


def test_the_table_shows_the_spread_and_which_neighbours_it_does_not_tell_apart():
    text = table(made_up(1.0, 0.52, 0.5, spread=0.015))
    assert "505 ms to 535 ms" in text.splitlines()[2]
    said = "Not told apart, their middle halves overlap: form 1 and form 2. compare("
    assert said in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert "Not told apart" not in table(made_up(1.0, 0.52, 0.5, spread=0.005))
