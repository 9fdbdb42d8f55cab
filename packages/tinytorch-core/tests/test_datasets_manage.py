"""Listing, locating, fetching, importing and verifying, on made-up data sets of a few bytes."""

import gzip
import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest

from tinytorch import datasets
from tinytorch.datasets import (
    DatasetCorruptError,
    DatasetMissingError,
    DownloadError,
    catalogue,
    folders,
    manage,
    mnist,
    text,
)
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.folders import find
from tinytorch.datasets.mnist import Facts, IdxFamily

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
PLAY = b"To be, or not to be: that is the question.\n"
CLOSED = "http://127.0.0.1:9/"  # nothing listens there


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def arrays():
    draws = np.random.default_rng(5)
    labels = np.array([1, 0, 1], np.uint8)
    images = [draws.integers(0, 256, (3, 28, 28), dtype=np.uint8) for _ in range(2)]
    return dict(zip(NAMES, (images[0], labels, images[1], labels), strict=True))


def idx_file(name, content):
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    sha256 = hashlib.sha256(content).hexdigest()
    return DataFile(name, 99, (CLOSED + name,), (plain, dotted, dotted + ".gz"), sha256)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Made-up data sets under the real names, an empty cache, and an empty TINYTORCH_DATA."""
    files = tuple(idx_file(name, idx(array)) for name, array in arrays().items())
    digits = Entry("mnist", "small digits", "", "", catalogue.MNIST.folders, files)
    family = IdxFamily(digits, Facts((1, 2)), Facts((1, 2)))
    play = Entry(
        "tinyshakespeare",
        "a line",
        "",
        "",
        catalogue.TINY_SHAKESPEARE.folders,
        (
            DataFile(
                "tinyshakespeare.txt",
                len(PLAY),
                (CLOSED,),
                ("input.txt",),
                hashlib.sha256(PLAY).hexdigest(),
            ),
        ),
    )
    monkeypatch.setattr(catalogue, "ENTRIES", (digits, play))
    monkeypatch.setattr(catalogue, "TINY_SHAKESPEARE", play)
    monkeypatch.setattr(manage, "CHECKS", {"mnist": family.check, "tinyshakespeare": text.check})
    monkeypatch.setattr(mnist, "DIGITS", family)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def put(folder, *, rename=lambda name: name, pack=gzip.compress, names=NAMES):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / rename(name)).write_bytes(pack(idx(arrays()[name])))


def plain(name):
    return name.removesuffix(".gz")


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "MNIST", "."])
@pytest.mark.parametrize(
    ("rename", "pack"),
    [
        (str, gzip.compress),
        (plain, bytes),
        (lambda name: plain(name).replace("-idx", ".idx"), bytes),
    ],
    ids=["gzip", "plain", "dotted"],
)
def test_every_usual_layout_is_found_and_loaded(place, folder, rename, pack):
    put(place / "data" / folder, rename=rename, pack=pack)
    assert datasets.locate("mnist").where == "local"
    data = datasets.MNIST("train", download=False)
    np.testing.assert_array_equal(data.images[:, 0], arrays()[NAMES[0]])
    np.testing.assert_array_equal(
        datasets.MNIST("test", download=False).images[:, 0], arrays()[NAMES[2]]
    )
    assert data.labels.tolist() == [1, 0, 1]
    assert datasets.verify("mnist").ok


def test_the_users_folder_comes_before_the_cache(place):
    put(place / "cache" / "mnist")
    assert datasets.locate("mnist").where == "cached"
    put(place / "data" / "mnist")
    assert datasets.locate("mnist").where == "local"


def test_without_tinytorch_data_the_cache_serves(place, monkeypatch):
    put(place / "cache" / "mnist")
    monkeypatch.setenv("TINYTORCH_DATA", "")
    assert datasets.available("mnist")
    put(place / "data")
    monkeypatch.chdir(place / "data")  # an empty variable does not mean the current folder
    assert datasets.locate("mnist").where == "cached"
    monkeypatch.delenv("TINYTORCH_DATA")
    assert datasets.available("mnist")


def test_a_misspelt_tinytorch_data_is_an_error_not_a_download(place, monkeypatch):
    put(place / "cache" / "mnist")
    monkeypatch.setenv("TINYTORCH_DATA", str(place / "dtaa"))
    with pytest.raises(DatasetMissingError, match=r"TINYTORCH_DATA names .*dtaa"):
        datasets.available("mnist")


def test_a_folder_without_the_data_is_named_with_what_was_looked_for(place, monkeypatch):
    entry = catalogue.ENTRIES[0]
    where = re.escape(str(place / "data"))
    looked = r"\(looked for in mnist, MNIST.raw, MNIST, the folder itself\)"
    told = f"TINYTORCH_DATA is {where}, which lacks all 4 files of mnist: {NAMES[0]}, .* {looked}"
    assert re.fullmatch(told, folders.lacking(entry))
    with pytest.raises(DatasetMissingError, match=told):
        datasets.MNIST(download=False)
    put(place / "data" / "mnist", names=NAMES[1:])
    told = rf"{where}, which lacks 1 of 4 files of mnist: {NAMES[0]} {looked}"
    assert re.search(told, folders.lacking(entry))
    put(place / "data", names=NAMES[:1])
    assert folders.lacking(entry) == ""
    monkeypatch.delenv("TINYTORCH_DATA")
    assert folders.lacking(entry) == ""


def test_a_data_set_is_available_only_with_all_its_files(place):
    put(place / "data" / "mnist", names=NAMES[:3])
    assert not datasets.available("mnist")
    status = datasets.locate("mnist")
    assert status.where == "absent"
    assert status.missing == (NAMES[3],)
    assert len(status.paths) == 3
    put(place / "cache" / "mnist", names=NAMES[3:])
    assert datasets.available("mnist")
    assert datasets.locate("mnist").where == "cached"


def test_names_are_taken_in_any_usual_spelling(place):
    put(place / "data" / "mnist")
    assert datasets.locate("MNIST").name == "mnist"
    assert datasets.available("Tiny_Shakespeare") is False
    assert datasets.available("Drawn Digits")
    with pytest.raises(KeyError, match=r"no data set is called 'imagenet'; there are mnist"):
        datasets.available("imagenet")


def test_the_registry_lists_published_and_built_in_data(place):
    put(place / "cache" / "mnist")
    listed = {status.name: status.where for status in datasets.registry()}
    assert listed == {
        "mnist": "cached",
        "tinyshakespeare": "absent",
        "drawn-digits": "built in",
        "blobs": "built in",
        "xor": "built in",
        "almanac": "built in",
    }


def test_verifying_reports_good_bad_and_absent_files(place):
    put(place / "data" / "mnist", names=NAMES[:3])
    (place / "data" / "mnist" / NAMES[1]).write_bytes(b"nonsense")
    report = datasets.verify("mnist")
    assert [file.ok for file in report.files] == [True, False, True, False]
    assert "recorded SHA-256" in report.files[0].message
    assert "no IDX file" in report.files[1].message
    assert report.files[3].message == "absent"
    assert not report.ok
    assert datasets.verify("drawn-digits").ok


def test_a_bad_file_in_the_users_folder_is_refused_and_never_replaced(place):
    put(place / "data" / "mnist")
    put(place / "cache" / "mnist")
    bad = place / "data" / "mnist" / NAMES[1]
    bad.write_bytes(b"nonsense")
    with pytest.raises(DatasetCorruptError, match=NAMES[1]):
        datasets.fetch("mnist")
    with pytest.raises(DatasetCorruptError, match=NAMES[1]):
        datasets.MNIST(download=True)
    assert bad.read_bytes() == b"nonsense"


def test_fetching_what_is_there_asks_nothing_of_the_network(place):
    put(place / "data" / "mnist", names=NAMES[:2])
    put(place / "cache" / "mnist", names=NAMES[2:])
    report = datasets.fetch("mnist")
    assert report.ok
    assert len(report.files) == 4


def test_fetching_downloads_anew_what_is_bad_in_the_cache(place, monkeypatch):
    put(place / "cache" / "mnist", rename=plain, pack=bytes)
    bad = place / "cache" / "mnist" / plain(NAMES[0])
    bad.write_bytes(bad.read_bytes()[:-1])
    with pytest.raises(DownloadError, match=NAMES[0]):
        datasets.fetch("mnist")
    assert bad.exists()

    def give(address, target, progress):
        assert address == CLOSED + NAMES[0]
        target.write_bytes(gzip.compress(idx(arrays()[NAMES[0]])))

    monkeypatch.setattr("tinytorch.datasets.download._download", give)
    report = datasets.fetch("mnist")
    assert report.files[0].message == "downloaded"
    assert not bad.exists()
    assert datasets.verify("mnist").ok


def test_a_folder_is_imported_whole_and_then_serves_alone(place):
    put(place / "elsewhere" / "MNIST" / "raw", rename=plain, pack=bytes)
    report = datasets.import_file("mnist", place / "elsewhere")
    assert report.ok
    assert len(report.files) == 4
    assert datasets.locate("mnist").where == "cached"
    assert datasets.verify("mnist").ok
    assert (place / "elsewhere" / "MNIST" / "raw" / plain(NAMES[0])).exists()
    leftovers = [path for path in (place / "cache").rglob("*") if path.name.startswith(".")]
    assert leftovers == []


def test_one_file_is_imported_by_name_and_replaces_a_bad_one_under_another_name(place):
    put(place / "cache" / "mnist", names=NAMES[1:])
    (place / "cache" / "mnist" / NAMES[0]).write_bytes(b"nonsense")
    put(place / "elsewhere", rename=plain, pack=bytes, names=NAMES[:1])
    datasets.import_file("mnist", place / "elsewhere" / plain(NAMES[0]))
    assert datasets.verify("mnist").ok
    assert not (place / "cache" / "mnist" / NAMES[0]).exists()


def test_a_data_set_of_one_file_is_imported_whatever_the_file_is_called(place):
    (place / "my notes").write_bytes(PLAY)
    report = datasets.import_file("tinyshakespeare", place / "my notes")
    assert report.files[0].path == place / "cache" / "tinyshakespeare" / "tinyshakespeare.txt"
    assert datasets.TinyShakespeare(download=False).text == PLAY.decode()


def test_nothing_is_imported_from_a_folder_with_a_bad_file(place):
    put(place / "elsewhere")
    (place / "elsewhere" / NAMES[3]).write_bytes(gzip.compress(b"nonsense"))
    with pytest.raises(DatasetCorruptError, match=NAMES[3]):
        datasets.import_file("mnist", place / "elsewhere")
    assert not (place / "cache").exists()


def test_importing_what_is_not_there_or_has_another_name_says_so(place):
    with pytest.raises(DatasetMissingError, match="neither a file nor a folder"):
        datasets.import_file("mnist", place / "nowhere")
    with pytest.raises(DatasetMissingError, match="holds none of mnist's files"):
        datasets.import_file("mnist", place / "data")
    (place / "labels").write_bytes(b"")
    with pytest.raises(DatasetMissingError, match="none of mnist's files: rename it to one of"):
        datasets.import_file("mnist", place / "labels")


def test_importing_a_file_from_the_cache_onto_itself_leaves_it(place):
    put(place / "cache" / "mnist")
    datasets.import_file("mnist", place / "cache" / "mnist")
    assert datasets.verify("mnist").ok


def test_an_archive_is_kept_under_the_ending_that_its_first_bytes_tell(tmp_path):
    file = catalogue.CIFAR_10.files[0]
    (tmp_path / "download").write_bytes(b"\xfd7zXZ\x00rest")
    assert manage._cached_name(file, tmp_path / "download") == "cifar-10-binary.tar.xz"
    (tmp_path / "download").write_bytes(b"\x1f\x8brest")
    assert manage._cached_name(file, tmp_path / "download") == "cifar-10-binary.tar.gz"


def test_fashion_mnist_is_not_mistaken_for_mnist(place, monkeypatch):
    fashion, digits = catalogue.FASHION_MNIST, catalogue.MNIST
    put(place / "data")
    assert find(fashion, fashion.files[0]) is None
    assert find(digits, digits.files[0]) is not None
    put(place / "fashion-mnist")
    monkeypatch.setenv("TINYTORCH_DATA", str(place / "fashion-mnist"))
    assert find(fashion, fashion.files[0]) is not None
    assert find(digits, digits.files[0]) is None


def test_a_text_cut_short_or_changed_is_refused_by_name(place):
    path = place / "data" / "input.txt"
    path.write_bytes(PLAY[:-5])
    with pytest.raises(DatasetCorruptError, match=r"input\.txt is cut short: 38 bytes.*43 bytes"):
        datasets.TinyShakespeare()
    path.write_bytes(PLAY.replace(b"question", b"solution"))
    with pytest.raises(DatasetCorruptError, match=r"input\.txt is damaged or another text"):
        datasets.TinyShakespeare()


def test_importing_and_using_local_data_loads_no_downloader(place):
    put(place / "data")
    script = (
        "import sys, tinytorch.datasets as d\n"
        "assert not {'numpy', 'pooch'} & {m for m in sys.modules if m in ('numpy', 'pooch')}\n"
        "d.registry(); d.available('mnist'); d.XOR(); d.DrawnDigits(n=1)\n"
        "assert 'pooch' not in sys.modules and 'requests' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_promised_name_is_there_and_another_is_an_attribute_error():
    for name in datasets.__all__:
        assert getattr(datasets, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'ImageNet'"):
        datasets.ImageNet  # noqa: B018
