"""CIFAR-10's archive, made small: read from gz and xz, cached once, refused when not right."""

import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

from tinytorch.datasets import DatasetCorruptError, catalogue, cifar
from tinytorch.datasets.cifar import Batch, CifarArchive

NAMES = ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")
RECORDS = 4


def batches():
    draws = np.random.default_rng(11)
    made = {}
    for name in NAMES:
        records = draws.integers(0, 256, (RECORDS, cifar.RECORD), dtype=np.uint8)
        records[:, 0] = draws.integers(0, 10, RECORDS)
        made[name] = records.tobytes()
    return made


def archive_of(made):
    known = [Batch(name, hashlib.sha256(content).hexdigest()) for name, content in made.items()]
    return CifarArchive(catalogue.CIFAR_10, tuple(known[:2]), tuple(known[2:]), RECORDS)


def write(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TINYTORCH_CACHE", str(folder))
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    return folder


@pytest.fixture
def unpacked(monkeypatch):
    """Counts how often an archive is unpacked."""
    calls = []
    original = CifarArchive.unpack

    def counted(self, path):
        calls.append(path)
        return original(self, path)

    monkeypatch.setattr(CifarArchive, "unpack", counted)
    return calls


@pytest.mark.parametrize(("ending", "mode"), [("tar.gz", "w:gz"), ("tar.xz", "w:xz")])
def test_both_archives_give_labels_and_planes_in_order(tmp_path, monkeypatch, ending, mode):
    made = batches()
    (tmp_path / "cifar-10").mkdir()
    write(tmp_path / "cifar-10" / f"cifar-10-binary.{ending}", made, mode)
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    monkeypatch.setattr(cifar, "ARCHIVE", archive_of(made))
    data = cifar.CIFAR10("train", normalize=False)
    assert len(data) == 2 * RECORDS
    content = made["data_batch_2.bin"]  # its record 1 is image 5
    record = np.frombuffer(content, np.uint8)[cifar.RECORD : 2 * cifar.RECORD]
    assert data.labels[5] == record[0]
    assert data.images[5, 1, 3, 7] == record[1 + 1024 + 3 * 32 + 7]
    assert len(cifar.CIFAR10("test")) == RECORDS


def test_an_archive_is_unpacked_once_for_both_splits(tmp_path, unpacked):
    made = batches()
    path = write(tmp_path / "a.tar.xz", made, "w:xz")
    first = archive_of(made).read(path, "train")
    again = archive_of(made).read(path, "train")
    test = archive_of(made).read(path, "test")
    assert len(unpacked) == 1
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(test.ravel(), np.frombuffer(made["test_batch.bin"], np.uint8))


def test_a_damaged_cache_is_noticed_and_made_again(tmp_path, cache, unpacked):
    made = batches()
    path = write(tmp_path / "a.tar.gz", made)
    good = archive_of(made).read(path, "train")
    stored = cache / "unpacked" / "cifar-10-train.npy"
    content = bytearray(stored.read_bytes())
    content[-100] ^= 1
    stored.write_bytes(content)
    np.testing.assert_array_equal(archive_of(made).read(path, "train"), good)
    stored.write_bytes(b"")
    np.testing.assert_array_equal(archive_of(made).read(path, "train"), good)
    (cache / "unpacked" / "cifar-10-train.json").write_text("[")
    np.testing.assert_array_equal(archive_of(made).read(path, "train"), good)
    assert len(unpacked) == 4
    archive_of(made).read(path, "train")
    assert len(unpacked) == 4


def test_another_archive_at_the_same_place_is_unpacked_anew(tmp_path, unpacked):
    made = batches()
    path = write(tmp_path / "a.tar.gz", made)
    archive_of(made).read(path, "test")
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    archive_of(made).read(path, "test")
    assert len(unpacked) == 2


def test_no_scratch_file_is_left_in_the_cache(tmp_path, cache):
    made = batches()
    archive_of(made).read(write(tmp_path / "a.tar.gz", made), "test")
    names = sorted(path.name for path in (cache / "unpacked").iterdir())
    assert names == [
        "cifar-10-test.json",
        "cifar-10-test.npy",
        "cifar-10-train.json",
        "cifar-10-train.npy",
    ]


def test_without_a_writable_cache_it_still_loads_and_warns(tmp_path, monkeypatch):
    made = batches()
    path = write(tmp_path / "a.tar.gz", made)
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "a file"))
    with pytest.warns(UserWarning, match="cannot be kept.*TINYTORCH_CACHE"):
        records = archive_of(made).read(path, "test")
    assert records.shape == (RECORDS, cifar.RECORD)


def refused(tmp_path, members, known, message):
    path = write(tmp_path / "bad.tar.gz", members)
    with pytest.raises(DatasetCorruptError, match=message) as caught:
        archive_of(known).unpack(path)
    assert str(path) in str(caught.value)


def test_a_missing_batch_is_named(tmp_path):
    made = batches()
    short = {name: made[name] for name in NAMES[:2]}
    refused(tmp_path, short, made, r"holds no test_batch.bin.*binary")


def test_a_short_batch_is_refused_with_both_sizes(tmp_path):
    made = batches()
    short = {**made, "data_batch_2.bin": made["data_batch_2.bin"][:-1]}
    refused(tmp_path, short, made, r"data_batch_2.bin.* 12,291 bytes; expected 12,292")


def test_a_label_out_of_range_is_refused(tmp_path):
    made = batches()
    wrong = {**made, "test_batch.bin": b"\x0a" + made["test_batch.bin"][1:]}
    refused(tmp_path, wrong, made, r"test_batch.bin.* label 10; expected 0..9")


def test_a_changed_pixel_is_refused_with_both_checksums(tmp_path):
    made = batches()
    content = bytearray(made["data_batch_1.bin"])
    content[500] ^= 1
    wrong = {**made, "data_batch_1.bin": bytes(content)}
    refused(tmp_path, wrong, made, r"data_batch_1.bin.* SHA-256 is [0-9a-f]{64}; expected")


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.98])
def test_an_archive_cut_short_is_refused_by_name(tmp_path, mode, keep):
    made = batches()
    path = write(tmp_path / "cut.tar", made, mode)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(DatasetCorruptError, match=r"cut\.tar is damaged or cut short at"):
        archive_of(made).unpack(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_an_archive_with_a_changed_byte_is_refused_by_name(tmp_path, mode):
    made = batches()
    path = write(tmp_path / "changed.tar", made, mode)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatasetCorruptError, match=r"changed\.tar is damaged"):
        archive_of(made).unpack(path)


def test_a_page_of_html_is_refused_by_name(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_text("<html>moved</html>")
    with pytest.raises(DatasetCorruptError, match=r"cifar-10-binary\.tar\.gz is damaged"):
        archive_of(batches()).unpack(path)
