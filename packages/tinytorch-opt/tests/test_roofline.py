"""The roofline: the roof itself, where points stand, the picture, and that peaks are measured.

Left out: how high the peaks are; that is this machine's business.
"""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.layers import Linear
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost
from tinytorch.opt.profiling import Call, Profiler
from tinytorch.opt.roofline import (
    Machine,
    as_text,
    fastest,
    measure_machine,
    points,
    save_roofline,
)

MACHINE = Machine(flops=100e9, memory=20e9, cache=80e9, threads=1)


def profile(*calls: tuple[str, int, Cost | None]) -> Profiler:
    """A profile in which each primitive took so many nanoseconds."""
    p, now = Profiler(), 0
    for name, length, cost in calls:
        p.events.append(Call("forward", name, ("m",), now, now + length, 0, 1, (), cost, 0, 0))
        now += length
    return p


# The roof
def test_below_the_ridge_memory_is_the_limit_and_above_it_arithmetic() -> None:
    assert MACHINE.ridge == 5
    assert MACHINE.attainable(1) == 20e9
    assert MACHINE.attainable(5) == 100e9
    assert MACHINE.attainable(1000) == 100e9
    assert MACHINE.attainable(0) == 0


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_operations_a_byte_never_lower_the_roof(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert MACHINE.attainable(low) <= MACHINE.attainable(high) <= MACHINE.flops


# The points
def test_a_point_has_operations_a_byte_operations_a_second_and_its_share_of_the_time() -> None:
    p = profile(("matmul", 3000, Cost(6000, 0, 60)), ("relu", 1000, Cost(0, 100, 800)))
    matmul, relu = points(p)
    assert (matmul.name, matmul.intensity, matmul.speed) == ("matmul", 100, 2e9)
    assert matmul.share == 0.75
    assert (relu.intensity, relu.speed, relu.share) == (0.125, 1e8, 0.25)
    [model] = points(p, "layer")
    assert (model.intensity, model.share) == (6100 / 860, 1)


def test_what_is_unknown_or_computes_nothing_has_no_place() -> None:
    p = profile(
        ("mine", 10, None),
        ("mine", 10, Cost(5, 5, 5)),  # known once, unknown once: not known
        ("reshape", 10, Cost(0, 0, 0)),
        ("clone", 10, Cost(0, 0, 100)),
        ("add", 10, Cost(0, 100, 1200)),
    )
    assert [point.name for point in points(p)] == ["add"]
    assert points(Profiler()) == []


# What is shown
def test_the_text_names_each_point_its_limit_and_how_much_it_reaches() -> None:
    p = profile(("matmul", 100, Cost(5000, 0, 50)), ("relu", 100, Cost(0, 100, 800)))
    text = as_text(MACHINE, points(p))
    [matmul] = [line for line in text.splitlines() if line.startswith("matmul")]
    assert matmul.split() == ["matmul", "100", "50", "100", "50.0%", "50.0%", "arithmetic"]
    [relu] = [line for line in text.splitlines() if line.startswith("relu")]
    assert relu.split() == ["relu", "0.125", "1", "2.5", "40.0%", "50.0%", "memory"]
    assert "100 GFLOP/s" in text
    assert "1 thread" in text
    assert max(map(len, text.splitlines())) <= 72


def test_a_machine_without_points_is_drawn_too(tmp_path: Path) -> None:
    assert "operations per byte" in as_text(MACHINE, [])
    pytest.importorskip("matplotlib")
    assert save_roofline(tmp_path / "roof.svg", MACHINE, []) is not None


@pytest.mark.parametrize(("name", "begin"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_the_picture_is_a_file_of_its_kind(tmp_path: Path, name: str, begin: bytes) -> None:
    pytest.importorskip("matplotlib")
    p = profile(("matmul", 100, Cost(5000, 0, 50)), ("relu", 100, Cost(0, 100, 800)))
    path = save_roofline(tmp_path / name, MACHINE, points(p))
    assert path == tmp_path / name
    assert path.read_bytes().startswith(begin)
    if name.endswith("svg"):
        assert "memory, 20 GB/s" in path.read_text("utf-8").replace("<!-- ", "")


def test_a_picture_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in .png, .svg or .pdf"):
        save_roofline(tmp_path / "roof.bmp", MACHINE, [])


def test_without_matplotlib_nothing_is_written_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert save_roofline(tmp_path / "roof.png", MACHINE, []) is None
    assert list(tmp_path.iterdir()) == []


# The measurement
def test_peaks_are_measured_and_the_threads_are_those_of_blas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    machine = measure_machine(0.05)
    assert machine.threads == 1
    for peak in machine[:3]:
        assert math.isfinite(peak)
        assert 1e6 < peak < 1e16
    with pytest.raises(ValueError, match="no time"):
        measure_machine(0)


def test_the_fastest_run_is_asked_twice_at_least() -> None:
    runs: list[int] = []
    assert fastest(lambda: runs.append(1), 0) >= 0
    assert len(runs) == 2


def test_a_real_product_has_the_intensity_of_its_shapes() -> None:
    layer = Linear(256, 256)
    x = Tensor(np.ones((256, 256), np.float32))
    layer(x)
    with Profiler(layer) as p:
        layer(x)
    [point] = points(p)
    assert point.name == "linear"
    assert point.intensity == pytest.approx((2 * 256**3 + 256**2) / (4 * (3 * 256**2 + 256)))
