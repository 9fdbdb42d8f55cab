"""Files of tensors: what goes in comes out, and a file that is not whole is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tinytorch
from tinytorch.core import files, serialization
from tinytorch.core.files import write_atomically
from tinytorch.core.layers import Linear
from tinytorch.core.serialization import load, load_metadata, read, save

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of every type and up to three axes, in every layout."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    array = draw(npst.arrays(dtype, shape))
    layout = draw(st.sampled_from(["C", "F", "reversed", "every other"]))
    if layout == "F":
        return np.asarray(array, order="F")
    if layout == "reversed":
        return array[..., ::-1] if array.ndim else array
    if layout == "every other":
        return np.repeat(array, 2, axis=0)[::2] if array.ndim else array
    return array


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=8), arrays(), max_size=4), st.data())
def test_what_is_saved_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, np.ndarray], data: st.DataObject
) -> None:
    texts = data.draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
    path = tmp_path_factory.mktemp("saved") / "x.safetensors"
    save(tensors, path, texts)
    loaded = load(path)
    assert loaded.keys() == tensors.keys()
    for name, array in tensors.items():
        assert loaded[name].shape == array.shape
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        assert loaded[name].flags.writeable
    assert load_metadata(path) == texts


def test_a_transposed_array_keeps_its_rows(tmp_path: Path) -> None:
    # safetensors itself takes the memory as it lies, and would give [[0, 1], [2, 3], [4, 5]]
    save({"w": np.arange(6.0).reshape(2, 3).T}, tmp_path / "t.safetensors")
    assert load(tmp_path / "t.safetensors")["w"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_model_saved_and_loaded_computes_the_same(tmp_path: Path) -> None:
    from tinytorch.nn import Linear

    first, second = (Linear(3, 2, rng=np.random.default_rng(seed)) for seed in (0, 1))
    tinytorch.save(first.state_dict(), tmp_path / "m.safetensors")
    second.load_state_dict(tinytorch.load(tmp_path / "m.safetensors"))
    x = tinytorch.Tensor([[1.0, 2.0, 3.0]])
    assert first(x).tolist() == second(x).tolist()


def test_tensors_are_saved_as_their_data(tmp_path: Path) -> None:
    save({"x": tinytorch.Tensor([1.5], requires_grad=True)}, tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors")["x"].tolist() == [1.5]


def test_files_of_other_programs_can_be_read(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"a": np.eye(2)}, tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors")["a"].tolist() == [[1, 0], [0, 1]]
    assert load_metadata(tmp_path / "a.safetensors") == {}


def test_other_programs_can_read_the_file(tmp_path: Path) -> None:
    save({"a": np.eye(2)}, tmp_path / "a.safetensors")
    assert safetensors.numpy.load_file(tmp_path / "a.safetensors")["a"].tolist() == [[1, 0], [0, 1]]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save({"a": np.arange(4.0), "b": np.ones((2, 2), np.int8)}, path, {"note": "kept"})
    return path


def test_a_file_cut_off_anywhere_is_refused_by_name(whole: Path) -> None:
    content = whole.read_bytes()
    for length in range(len(content)):
        whole.write_bytes(content[:length])
        with pytest.raises(
            ValueError, match=r"weights\.safetensors .* no complete .* copy it anew"
        ):
            load(whole)


def test_a_file_with_any_one_bit_turned_is_refused_by_name(whole: Path) -> None:
    content = whole.read_bytes()
    spaces = content.index(b"}}") + 2, 8 + int.from_bytes(content[:8], "little")  # mere padding
    for position in range(len(content)):
        if spaces[0] <= position < spaces[1]:
            continue
        changed = bytearray(content)
        changed[position] ^= 1
        whole.write_bytes(changed)
        if b"tinytorch.crc32" not in changed:  # without it, the file is as other programs write it
            continue
        with pytest.raises(ValueError, match=r"weights\.safetensors"):
            load(whole)


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x04"], ids=["zip", "pickle"])
def test_a_pickle_is_refused_with_the_way_out(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(start + bytes(100))
    with pytest.raises(ValueError, match=r"model\.pt is a zip or a pickle.*save_file"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors: there is no such file"):
        load(tmp_path / "nothing.safetensors")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        save({}, tmp_path / "nowhere" / "x.safetensors")


TOO_WIDE = np.ones(2, np.longdouble)  # 80 bits and more, where the machine has them
MISFITS = [np.array(["text"]), np.array([None]), np.ones(2, complex)]
MISFITS += [TOO_WIDE] if TOO_WIDE.itemsize > 8 else []


@pytest.mark.parametrize("array", MISFITS)
def test_what_the_format_cannot_hold_is_named(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"layer: .* cannot be saved"):
        save({"layer": array}, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [1, None, "__metadata__"])
def test_a_name_that_the_format_cannot_hold_is_named(tmp_path: Path, name: Any) -> None:
    with pytest.raises(TypeError, match=f"under a name, which {name!r} cannot be"):
        save({name: np.ones(2)}, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_lists_are_saved_as_the_arrays_they_make_and_may_be_changed_when_loaded(
    tmp_path: Path,
) -> None:
    save({"sizes": [1, 2]}, tmp_path / "x.safetensors")  # type: ignore[dict-item]
    loaded = load(tmp_path / "x.safetensors")["sizes"]
    loaded += 1
    assert loaded.tolist() == [2, 3]


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"texts only, not 3: 'epoch'"):
        save({}, tmp_path / "x.safetensors", {3: "epoch"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"texts only, not 'epoch': 3\. str"):
        save({}, tmp_path / "x.safetensors", {"epoch": 3})  # type: ignore[dict-item]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "x.safetensors"
    save({"a": np.zeros(3)}, path)
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="no space"):
        save({"a": np.ones(3)}, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_target_is_never_opened_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(files.os, "replace", lambda a, b: seen.append((a.read_bytes(), b.exists())))
    write_atomically(tmp_path / "x", b"all of it")
    assert seen == [(b"all of it", False)]


@pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
def test_a_link_stays_a_link_and_the_mode_is_as_usual(tmp_path: Path) -> None:
    real, link, usual = tmp_path / "real", tmp_path / "link", tmp_path / "usual"
    link.symlink_to(real)
    write_atomically(link, "text")
    usual.write_text("")
    assert link.is_symlink()
    assert real.read_text() == "text"
    assert real.stat().st_mode == usual.stat().st_mode


def test_the_checksum_stands_in_the_header(whole: Path) -> None:
    content = whole.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert len(header["__metadata__"][serialization.CHECKSUM]) == 8


@pytest.mark.parametrize("what", [Linear(2, 2), "model.safetensors", [tinytorch.Tensor([1.0])]])
def test_what_has_no_names_is_not_saved_and_state_dict_is_named(what, tmp_path: Path) -> None:
    words = rf"save: expected tensors by name, got a {type(what).__name__}: save\(model.state_dict"
    with pytest.raises(TypeError, match=words):
        save(what, tmp_path / "x.safetensors")
    assert not any(tmp_path.iterdir())


def test_a_folder_in_place_of_a_file_lists_the_files_in_it(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"is a folder: .*it holds no .safetensors file"):
        load(tmp_path)
    for name in ("last.safetensors", "best.safetensors"):
        save({"x": tinytorch.Tensor([1.0])}, tmp_path / name)
    with pytest.raises(IsADirectoryError, match=r"\(best.safetensors, last.safetensors\)"):
        load(tmp_path)


def test_the_same_tensors_and_texts_give_the_same_bytes_in_any_process(tmp_path):
    program = """
import sys, numpy as np
from tinytorch.core.serialization import to_bytes
texts = {f"{i}é": str(i) for i in range(12)}
sys.stdout.buffer.write(to_bytes({"b": np.ones(3), "a": np.zeros((2, 2), np.float32)}, texts))
"""
    written = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(written) == 1
    (tmp_path / "x.safetensors").write_bytes(*written)
    arrays, texts = read(tmp_path / "x.safetensors")
    assert list(texts) == sorted(f"{i}é" for i in range(12))
    np.testing.assert_array_equal(arrays["b"], np.ones(3))
