"""Module 16: packed files give back what was written, are small, and are never trusted.

Left out: how accurate a packed network is (test_compressing.py).
"""

from __future__ import annotations

import json
import lzma
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch import Tensor
from tinytorch.arch.models import DSCNN, LeNet5
from tinytorch.arch.trained import trained
from tinytorch.core.measurement import peak_bytes
from tinytorch.core.serialization import to_bytes as safetensors_bytes
from tinytorch.nn import Embedding, Linear, Sequential
from tinytorch.opt.compression import apply_masks, magnitude_masks
from tinytorch.opt.packing import (
    COMPRESSORS,
    FRONT,
    LZMA,
    SIGNATURE,
    from_bytes,
    pack,
    read_metadata,
    read_packed,
    to_bytes,
    unpack,
)
from tinytorch.opt.quantization import quantize
from tinytorch.opt.tensor_codes import DTYPES, Coding, centroids, decode, encode


def some_zero(shape: tuple[int, ...], share: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    array = rng.standard_normal(shape, np.float32)
    array[rng.random(shape) < share] = 0
    return array


def sealed(body: bytes, number: int = 0, length: int | None = None, version: int = 1) -> bytes:
    """A file with a body of our own and a checksum that fits."""
    packed = {
        0: lambda: body,
        1: lambda: zlib.compress(body),
        2: lambda: lzma.compress(body, lzma.FORMAT_RAW, filters=LZMA),
    }.get(number, lambda: body)()
    front = bytes([number]) + (len(body) if length is None else length).to_bytes(8, "little")
    crc = zlib.crc32(packed, zlib.crc32(front)).to_bytes(4, "little")
    return SIGNATURE + bytes([version]) + front + crc + packed


def with_header(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return sealed(len(text).to_bytes(4, "little") + text + data)


def body_of(content: bytes) -> bytes:
    packed, number = content[FRONT:], content[9]
    if number == 2:
        return lzma.decompress(packed, lzma.FORMAT_RAW, filters=LZMA)
    return zlib.decompress(packed) if number == 1 else packed


# What comes back
@given(
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0, max_side=7))
    )
)
@settings(deadline=None)
def test_every_array_comes_back_exactly(array: np.ndarray) -> None:
    content, report = to_bytes({"x": array})
    back, _ = from_bytes(content)
    assert (back["x"].dtype, back["x"].shape) == (array.dtype, array.shape)
    assert back["x"].tobytes() == np.ascontiguousarray(array).tobytes()  # NaN and -0.0, too
    assert report.tensors[0].error == 0


@given(
    st.integers(2, 8),
    st.sampled_from([None, 0, 1]),
    st.floats(0, 1),
    st.integers(0, 1000),
    st.integers(1, 40),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_scaled_values_are_off_by_half_a_step_and_zeros_are_zero(
    bits: int, axis: int | None, share: float, seed: int, n: int, m: int
) -> None:
    array = some_zero((n, m), share, seed)
    content, report = to_bytes({"x": array}, {"x": Coding(bits, axis)})
    back = from_bytes(content)[0]["x"]
    others = None if axis is None else 1 - axis
    step = np.abs(array).max(axis=others, keepdims=True) / (2 ** (bits - 1) - 1)
    assert (np.abs(back - array) <= step / 2 * (1 + 1e-5)).all()
    assert (back[array == 0] == 0).all()
    assert report.tensors[0].error == pytest.approx(np.abs(back - array).max())


@given(st.integers(1, 8), st.floats(0, 1), st.integers(0, 1000), st.integers(1, 400))
@settings(deadline=None)
def test_a_codebook_holds_each_value_or_the_nearest_and_zeros_are_zero(
    bits: int, share: float, seed: int, n: int
) -> None:
    array = some_zero((n,), share, seed)
    content, report = to_bytes({"x": array}, {"x": Coding(bits, codebook=True)})
    back = from_bytes(content)[0]["x"]
    assert (back[array == 0] == 0).all()
    table = np.unique(back[array != 0])
    assert len(table) < 2**bits
    for value, stored in zip(array[array != 0], back[array != 0], strict=True):
        assert abs(value - stored) <= np.abs(table - value).min() + 1e-6
    assert report.tensors[0].error == pytest.approx(np.abs(back - array).max(initial=0))


def test_k_means_finds_clusters_and_a_better_table_than_even_steps() -> None:
    values = np.array([-5.0, -5.1, -4.9, 1.0, 1.1, 7.0])
    np.testing.assert_allclose(centroids(values, 3), [-5, 1.05, 7])
    normal = np.random.default_rng(0).standard_normal(5000)
    table, even = centroids(normal, 15), np.linspace(normal.min(), normal.max(), 15)

    def lost(entries: np.ndarray) -> float:
        return float((np.abs(normal[:, None] - entries).min(axis=1) ** 2).mean())

    assert lost(table) < 0.6 * lost(even)


@pytest.mark.parametrize("coding", [Coding(), Coding(8, 1), Coding(3, 0), Coding(4, codebook=True)])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 0.9999])
def test_whatever_form_is_shortest_is_chosen_and_can_be_read(coding: Coding, share: float) -> None:
    array = some_zero((300, 200), share)
    coded = encode(array, coding)
    back = decode(coded.header, coded.data)
    if coding.bits is None:
        np.testing.assert_array_equal(back, array)
    if share == 0 and coding.bits is None:
        assert (coded.header["places"], len(coded.data)) == ("all", 240_000)
    if share == 0.5 and coding.bits is None:
        assert coded.header["places"] == "mask"
        assert len(coded.data) == 7_500 + 4 * np.count_nonzero(array)
    if share == 0.9999:  # few ones far apart: bytes of gaps, with escapes, beat a mask
        assert coded.header["places"] == "gaps"
        assert len(coded.data) < 7_500


def test_minus_zero_is_not_taken_for_zero() -> None:
    array = np.zeros(1000, np.float32)
    array[500] = -0.0
    coded = encode(array, Coding())
    assert coded.header["places"] == "gaps"
    assert decode(coded.header, coded.data).tobytes() == array.tobytes()


def test_gaps_of_every_length_come_back() -> None:
    for gap in (0, 1, 254, 255, 256, 509, 510, 511, 2000):
        array = np.zeros(5000, np.float32)
        array[[0, 1 + gap, 2 + 2 * gap]] = 1, 2, 3
        coded = encode(array, Coding())
        assert coded.header["places"] == "gaps"
        assert coded.header["where"] == 3 + 2 * (gap // 255)
        np.testing.assert_array_equal(decode(coded.header, coded.data), array)


# Models and files
def test_a_model_comes_back_exactly(tmp_path: Path) -> None:
    model = DSCNN(rng=np.random.default_rng(0))
    report = pack(model, tmp_path / "m.ttpack", metadata={"seed": "0"})
    other = DSCNN(rng=np.random.default_rng(1))
    unpack(tmp_path / "m.ttpack", other)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
    assert read_metadata(tmp_path / "m.ttpack") == {"seed": "0"}
    assert report.nbytes == (tmp_path / "m.ttpack").stat().st_size


def test_a_quantised_model_keeps_its_integers(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((8, 1, 28, 28), np.float32)
    model = quantize(trained("lenet5"), [images])
    report = pack(model, tmp_path / "m.ttpack", bits=4)  # there is no float weight left to round
    other = quantize(LeNet5(), [images])
    unpack(tmp_path / "m.ttpack", other)
    np.testing.assert_array_equal(other(Tensor(images)).data, model(Tensor(images)).data)
    assert all(row.error == 0 for row in report.tensors)
    assert report.nbytes < 64_000


def test_only_weights_are_rounded_and_each_output_has_a_scale(tmp_path: Path) -> None:
    model = Sequential(Linear(3, 2, rng=np.random.default_rng(0)))
    model[0].weight.data[...] = [[1.27, 0.0127], [0.01, 0.0001], [0.5, 0.005]]
    pack(model, tmp_path / "m.ttpack", bits=8)
    state = read_packed(tmp_path / "m.ttpack")
    np.testing.assert_allclose(state["0.weight"], [[1.27, 0.0127], [0.01, 1e-4], [0.5, 0.005]])
    np.testing.assert_array_equal(state["0.bias"], model[0].bias.data)


def test_rows_of_an_embedding_have_scales_and_names_choose(tmp_path: Path) -> None:
    model = Sequential(Embedding(2, 3), Linear(3, 2))
    model[0].weight.data[...] = [[127, 1, 2], [1.27, 0.01, 0.02]]
    before = model.state_dict()
    pack(model, tmp_path / "m.ttpack", bits={"0.weight": 8})
    unpack(tmp_path / "m.ttpack", model)
    np.testing.assert_allclose(model[0].weight.data, before["0.weight"], rtol=1e-6)
    np.testing.assert_array_equal(model[1].weight.data, before["1.weight"])
    with pytest.raises(KeyError, match=r"no weight '0\.bias' to round; there are 0\.weight, 1\."):
        pack(model, tmp_path / "m.ttpack", bits={"0.bias": 8})


def test_zeros_and_few_bits_make_a_file_small(tmp_path: Path) -> None:
    model = trained("lenet5")
    whole = len(safetensors_bytes(model.state_dict()))
    apply_masks(model, magnitude_masks(model, 0.9))
    sizes = [
        pack(model, tmp_path / "m.ttpack", bits=bits, codebook=codebook).nbytes
        for bits, codebook in ((None, False), (8, False), (5, True))
    ]
    assert whole > 10 * sizes[0] > 20 * sizes[1] > 25 * sizes[2]


def test_the_report_names_what_became_of_each_tensor(tmp_path: Path) -> None:
    model = trained("lenet5")
    apply_masks(model, magnitude_masks(model, 0.9))
    report = pack(model, tmp_path / "m.ttpack", bits=8)
    lines = str(report).splitlines()
    assert lines[0].split() == ["tensor", "shape", "written", "as", "bytes", "error"]
    assert "8 bits, scaled, mask" in lines[3]
    assert lines[2].endswith("exact")
    assert lines[-1] == f"{report.nbytes:,} bytes on the disk, after lzma"


def test_the_last_stage_is_left_out_where_it_gains_nothing() -> None:
    assert to_bytes({"x": np.zeros(1000)})[1].compressor in ("zlib", "lzma")
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8)
    content, report = to_bytes({"x": noise})
    assert len(content) < 5200
    assert report.compressor == COMPRESSORS[content[9]]


def test_a_model_of_other_shapes_is_refused_and_stays(tmp_path: Path) -> None:
    pack(Sequential(Linear(3, 2)), tmp_path / "m.ttpack")
    model = Sequential(Linear(2, 3))
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"m\.ttpack: .* does not fit") as refused:
        unpack(tmp_path / "m.ttpack", model)
    assert "small = fitted(model, read_packed(path))" in str(refused.value)  # if it was shrunk
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before["0.weight"])
    large = Sequential(Linear(400, 400))
    pack(large, tmp_path / "large.ttpack")
    with pytest.raises(ValueError, match="arrays are larger than what is allowed"):
        unpack(tmp_path / "large.ttpack", model)


def test_a_class_in_place_of_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="model is the class LeNet5, not a model: make one first"):
        unpack(tmp_path / "m.ttpack", LeNet5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model is str, not a model"):
        unpack(LeNet5(), "m.ttpack")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model is the class LeNet5"):
        pack(LeNet5, tmp_path / "m.ttpack")  # type: ignore[arg-type]


def test_what_cannot_be_written_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "m.ttpack"
    pack(LeNet5(), path)
    before = path.read_bytes()
    broken = LeNet5()
    broken.layers[0].weight.data[0, 0, 0, 0] = np.nan  # type: ignore[attr-defined]
    for how in ({"bits": 8}, {"bits": 4, "codebook": True}):
        with pytest.raises(ValueError, match=r"^0\.weight: 1 of its values are NaN or infinite, "):
            pack(broken, path, **how)
    with pytest.raises(ValueError, match=r"0\.weight: 9 bits"):
        pack(LeNet5(), path, bits=9)
    with pytest.raises(ValueError, match=r"0\.weight: a codebook of 9 bits"):
        pack(LeNet5(), path, bits=9, codebook=True)
    with pytest.raises(TypeError, match="complex64 cannot be packed"):
        to_bytes({"x": np.ones(2, np.complex64)})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.ttpack"]


# Files that are damaged, or meant to harm
def a_file() -> bytes:
    arrays = {"a": some_zero((20, 9), 0.9), "b": some_zero((7,), 0.3), "c": np.arange(5)}
    return to_bytes(arrays, {"a": Coding(5, 1), "b": Coding(3, codebook=True)}, {"k": "v"})[0]


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_any_change_of_a_file_is_noticed(data: st.DataObject) -> None:
    content = bytearray(a_file())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"packed|changed|version"):
        from_bytes(bytes(content))


@given(st.data())
@settings(deadline=None)
def test_a_file_that_was_cut_off_is_noticed(data: st.DataObject) -> None:
    content = a_file()
    with pytest.raises(ValueError, match="cut off"):
        from_bytes(content[: data.draw(st.integers(0, len(content) - 1))])


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_a_body_with_a_fitting_checksum_is_read_or_refused_but_harms_nobody(
    data: st.DataObject,
) -> None:
    body = bytearray(body_of(a_file()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        arrays, texts = from_bytes(sealed(bytes(body)), limit=2000)
    except ValueError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 2000
    assert all(isinstance(text, str) for text in texts.values())


WORDS = ["all", "mask", "gaps", "raw", "planes", "scaled", "codebook", "float32", "int8", "x"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.data(), st.binary(max_size=60))
@settings(deadline=None, max_examples=400)
def test_a_header_with_any_values_is_read_or_refused(data: st.DataObject, rest: bytes) -> None:
    size = data.draw(st.integers(0, 12))
    good = {
        "name": "x", "length": len(rest), "shape": [size], "dtype": "float32", "values": "scaled",
        "bits": 4, "axis": None, "table": 1, "packed": True, "places": "gaps", "count": size,
        "where": size,
    }  # fmt: skip
    changed = data.draw(st.lists(st.sampled_from(sorted(good)), max_size=4))
    tensor = good | {key: data.draw(VALUES) for key in changed}
    for key in data.draw(st.lists(st.sampled_from(sorted(good)), max_size=1)):
        del tensor[key]
    content = with_header({"tensors": [tensor], "metadata": {}}, rest)
    try:
        arrays, _ = from_bytes(content, limit=4000)
    except ValueError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 4000


RAW = {
    "name": "x", "length": 8, "shape": [2], "dtype": "float32", "values": "raw", "places": "all",
    "count": 2, "where": 0,
}  # fmt: skip


def test_the_header_that_the_next_tests_change_is_a_good_one() -> None:
    arrays, _ = from_bytes(with_header({"tensors": [RAW], "metadata": {}}, bytes(8)))
    np.testing.assert_array_equal(arrays["x"], [0, 0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": [2**20, 2**20]}, "larger than what is allowed"),
        ({"shape": [2**60]}, "too large"),
        ({"shape": [2**40] * 32}, "larger than what is allowed"),
        ({"shape": [-1]}, "no whole number"),
        ({"shape": [2.0]}, "no whole number"),
        ({"dtype": "object"}, "no type"),
        ({"length": 9}, "longer than the file"),
        ({"length": 4}, "another length"),
        ({"count": 3}, "more values than places"),
        ({"count": 1}, "a value for every place"),
        ({"where": 9}, "shorter than its tables"),
        ({"places": "mask", "where": 8}, "mask has another length"),
        ({"places": "here"}, "places are unknown"),
        ({"values": "pickle"}, "values are unknown"),
    ],
)
def test_a_header_that_lies_is_refused(change: dict[str, Any], told: str) -> None:
    content = with_header({"tensors": [RAW | change], "metadata": {}}, bytes(8))
    with pytest.raises(ValueError, match=told):
        from_bytes(content)


@pytest.mark.parametrize(
    ("change", "data", "told"),
    [
        ({"places": "gaps", "where": 1, "count": 1}, b"\x05abcd", "gaps lead out of it"),
        ({"places": "gaps", "where": 1, "count": 1}, b"\xffabcd", "another number of places"),
        ({"places": "mask", "where": 1, "count": 1}, b"\xc0abcd", "another number of places"),
        (
            {"values": "codebook", "bits": 8, "packed": False, "table": 1},
            b"abcd\x00\x01",
            "too short",
        ),
        ({"values": "scaled", "bits": 9, "axis": None, "table": 1}, b"abcd\x00\x01", "of bits"),
        ({"values": "scaled", "bits": 8, "axis": 0, "table": 1}, b"abcd\x00\x01", "do not fit"),
        ({"values": "scaled", "bits": 8, "axis": 1, "table": 1}, b"abcd\x00\x01", "no axis"),
        ({"values": "scaled", "bits": 8, "axis": None, "table": 1}, b"\x00" * 6, "above 0"),
    ],
)
def test_data_that_do_not_fit_their_header_are_refused(
    change: dict[str, Any], data: bytes, told: str
) -> None:
    tensor = RAW | {"length": len(data), "packed": False} | change
    with pytest.raises(ValueError, match=f"x: .*{told}"):
        from_bytes(with_header({"tensors": [tensor], "metadata": {}}, data))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no packed file"),
        (b"PK\x03\x04 a zip", "no packed file"),
        (SIGNATURE.replace(b"\r\n", b"\n") + bytes(40), "no packed file"),
        (SIGNATURE + b"\x01", "cut off"),
        (sealed(b"", version=2), "version is 2"),
        (sealed(b"", number=7), "compressor is unknown"),
        (sealed(b"\xff\xff\xff\xff"), "header is longer than the file"),
        (sealed(b"{}", length=2**50), "are allowed"),
        (with_header(b"[" * 100_000), "contradicts itself"),
        (with_header(b"{}"), "KeyError"),
        (with_header({"tensors": [], "metadata": {"a": 1}}), "no texts"),
        (with_header({"tensors": [RAW, RAW], "metadata": {}}, bytes(16)), "there twice"),
        (with_header({"tensors": [RAW], "metadata": {}}, bytes(9)), "bytes after the last"),
        (with_header({"tensors": 5, "metadata": {}}), "TypeError"),
    ],
)
def test_what_is_no_packed_file_is_told(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_bytes(content)


@pytest.mark.parametrize("number", [1, 2])
def test_a_bomb_is_stopped_where_it_says_that_it_ends(number: int) -> None:
    """Twenty million zeros in some kilobytes, which claim to be a thousand."""
    bomb = sealed(bytes(20_000_000), number, length=1000)
    assert len(bomb) < 40_000

    def read() -> None:
        with pytest.raises(ValueError, match="another number of bytes than it says"):
            from_bytes(bomb)

    assert peak_bytes(read) < 2_500_000  # a million of which are LZMA's own
    with pytest.raises(ValueError, match="are allowed"):
        from_bytes(sealed(bytes(20_000_000), number), limit=5_000_000)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.ttpack"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"m\.ttpack \(14 bytes\) cannot be unpacked: it is no"):
        read_packed(path)
    with pytest.raises(FileNotFoundError, match="no such file to unpack"):
        unpack(tmp_path / "other.ttpack", LeNet5())
