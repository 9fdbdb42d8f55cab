"""IDX files: every way in which one can be wrong is refused, by name, with what was expected."""

import gzip
import hashlib

import numpy as np
import pytest

from tinytorch.datasets import DatasetCorruptError
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.mnist import Facts, IdxFamily

PER_CLASS = (3, 2)
LABELS = np.array([0, 1, 0, 1, 0], np.uint8)
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 4, 4), dtype=np.uint8)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def family(*, images_sha=None, labels_sha=None, md5=(), mean=None):
    files = (
        DataFile("train-images", 0, (), sha256=images_sha, md5=md5),
        DataFile("train-labels", 0, (), sha256=labels_sha, md5=md5),
    )
    entry = Entry("made-up", "", "", "", ("made-up",), files)
    return IdxFamily(entry, Facts(PER_CLASS, mean), Facts(PER_CLASS, mean), side=4)


def read(tmp_path, content, *, which, **options):
    path = tmp_path / ("train-labels" if which else "train-images")
    path.write_bytes(content)
    made_up = family(**options)
    return made_up.read(made_up.entry.files[which], path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_images_and_labels_are_read_plain_or_compressed_whatever_the_name(tmp_path, pack):
    np.testing.assert_array_equal(read(tmp_path, pack(idx(IMAGES)), which=0), IMAGES)
    np.testing.assert_array_equal(read(tmp_path, pack(idx(LABELS)), which=1), LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"no IDX file.*\(nothing\)"),
        (b"<html>not found</html>", "no IDX file.*0x3c68746d"),
        (b"\0\0\x0d\x01" + b"\0" * 24, "no IDX file.*0x00000d01"),
        (b"\0\0\x08\x03\0\0", "cut short: 6 bytes, where its header alone takes 16"),
        (idx(IMAGES)[:-7], "cut short: 89 bytes.*calls for 96"),
        (idx(IMAGES) + b"\0", "goes on after its end: 97 bytes.*calls for 96"),
        (gzip.compress(idx(IMAGES))[:-20], "cut short: its gzip stream"),
        (b"\x1f\x8b\x08\x00damaged", "is damaged|cut short"),
        (idx(IMAGES[:4]), r"shape \(4, 4, 4\); expected 5 images of 4x4"),
        (idx(LABELS), r"shape \(5,\); expected 5 images"),
    ],
    # the same in every process: gzip's bytes hold the time
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value,
)
def test_an_image_file_that_is_no_whole_one_is_refused_by_name(tmp_path, content, message):
    with pytest.raises(DatasetCorruptError, match=message) as caught:
        read(tmp_path, content, which=0)
    assert str(tmp_path / "train-images") in str(caught.value)


def test_a_changed_byte_in_a_compressed_file_is_noticed(tmp_path):
    packed = bytearray(gzip.compress(idx(IMAGES)))
    packed[-6] ^= 1  # in the checksum that gzip itself keeps
    with pytest.raises(DatasetCorruptError, match=r"train-images is damaged.*CRC"):
        read(tmp_path, bytes(packed), which=0)


def test_labels_of_other_counts_are_refused(tmp_path):
    with pytest.raises(DatasetCorruptError, match=r"label 7; 2 classes allow 0\.\.1"):
        read(tmp_path, idx(np.array([0, 1, 0, 7, 0], np.uint8)), which=1)
    with pytest.raises(DatasetCorruptError, match=r"\(2, 3\) labels.*expected \(3, 2\)"):
        read(tmp_path, idx(1 - LABELS), which=1)
    with pytest.raises(DatasetCorruptError, match=r"shape \(4,\); expected 5 labels"):
        read(tmp_path, idx(LABELS[:4]), which=1)


def test_images_of_another_brightness_are_refused_where_it_is_known(tmp_path):
    mean = IMAGES.mean() / 255
    read(tmp_path, idx(IMAGES), which=0, mean=mean)
    with pytest.raises(DatasetCorruptError, match="mean brightness"):
        read(tmp_path, idx(IMAGES), which=0, mean=mean + 0.01)


def test_a_changed_pixel_is_refused_where_the_checksum_is_known(tmp_path):
    known = hashlib.sha256(idx(IMAGES)).hexdigest()
    read(tmp_path, gzip.compress(idx(IMAGES), mtime=1), which=0, images_sha=known)
    read(tmp_path, gzip.compress(idx(IMAGES), mtime=2), which=0, images_sha=known)
    changed = IMAGES.copy()
    changed[2, 1, 1] ^= 1
    with pytest.raises(DatasetCorruptError, match=f"SHA-256.*expected {known}"):
        read(tmp_path, idx(changed), which=0, images_sha=known)


def test_a_file_without_a_known_sha256_says_which_evidence_it_rests_on(tmp_path):
    packed = gzip.compress(idx(LABELS), mtime=0)
    path = tmp_path / "labels"
    path.write_bytes(packed)

    def message(*md5):
        made_up = family(md5=md5)
        return made_up.check(made_up.entry.files[1], path)

    assert message(hashlib.md5(packed).hexdigest()) == "file has the published MD5"
    assert message(hashlib.md5(idx(LABELS)).hexdigest()) == "content has the published MD5"
    assert message("0" * 32) == "structure and counts are right; no published checksum matches"
