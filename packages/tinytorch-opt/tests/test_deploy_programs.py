"""The programs of a bundle: what they answer, measure, see, and say when they cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from bundle_helper import PHOTO_OF, digit_bundle, install, photo_of, ppm, rewrite, run, small_bundle

from tinytorch.core.layers import Linear, Sequential
from tinytorch.nn import Flatten
from tinytorch.opt.deploy import bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_bundle(tmp_path_factory.mktemp("bundles") / "digits").folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.mark.parametrize("more", [[], ["--int8"]])
def test_it_reads_the_sample_that_came_with_it(made: Path, more: list[str]) -> None:
    told = run(made, "infer.py", made / "digit.ppm", *more)
    assert (told.returncode, told.stdout[:1]) == (0, str(PHOTO_OF)), told.stdout + told.stderr


def test_pgm_png_and_npy_are_read_alike(made: Path, tmp_path: Path) -> None:
    grey = np.rint(photo_of(2) @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    (tmp_path / "2.pgm").write_bytes(b"P5 # comment\n320 240\n255\n" + grey.tobytes())
    rows = "\n".join(" ".join(map(str, row)) for row in grey)
    (tmp_path / "2text.pgm").write_text(f"P2\n# comment\n320 240\n255\n{rows}\n")
    np.save(tmp_path / "2.npy", grey)
    names = ["2.pgm", "2text.pgm", "2.npy"]
    try:
        from PIL import Image
    except ImportError:
        pass
    else:
        Image.fromarray(grey).save(tmp_path / "2.png")
        names.append("2.png")
    answers = [run(made, "infer.py", "--json", tmp_path / name).stdout for name in names]
    assert json.loads(answers[0])["answer"] == "2"
    assert len(set(answers)) == 1


def test_floats_of_the_models_own_shape_are_taken_as_they_are(made: Path, tmp_path: Path) -> None:
    with np.load(made / "golden.npz") as golden:
        x, expected = golden["input"], golden["output"]
    np.save(tmp_path / "x.npy", x[2])
    told = run(made, "infer.py", "--json", "--scores", tmp_path / "x.npy")
    np.testing.assert_allclose(json.loads(told.stdout)["scores"], expected[2], atol=1e-3)


def test_no_digit_is_no_answer_and_says_why(made: Path, tmp_path: Path) -> None:
    (tmp_path / "blank.pgm").write_bytes(b"P5\n64 48\n255\n" + bytes([200]) * 64 * 48)
    told = run(made, "infer.py", tmp_path / "blank.pgm")
    assert told.returncode == 1
    assert told.stdout.startswith("no answer: nothing is there")


def test_scores_below_the_thresholds_are_no_answer(copy: Path) -> None:
    facts = json.loads((copy / "preprocess.json").read_text())
    rewrite(copy, "preprocess.json", json.dumps(facts | {"reject": {"score": 1e6}}).encode())
    told = run(copy, "infer.py", copy / "digit.ppm")
    assert told.returncode == 1
    assert f"perhaps {PHOTO_OF}" in told.stdout


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("absent.pgm", None, "No such file"),
        ("cut.pgm", b"P5\n64 48\n255\n123", "cut short"),
        ("bad.pgm", b"P5\nx", "header"),
        ("huge.pgm", b"P5\n999999 999999\n255\n1", "no picture"),
        ("text.wav", b"text", "no .wav"),
        ("code.npy", b"\x80\x04N.", "load"),
    ],
)
def test_what_cannot_be_read_is_told(
    made: Path, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ran = run(made, "infer.py", tmp_path / name)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_model_that_cannot_be_loaded_is_told(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no model")
    ran = run(copy, "infer.py", copy / "digit.ppm")
    assert ran.returncode == 2
    assert "model.onnx cannot be loaded" in ran.stderr


def test_without_an_int8_model_asking_for_it_is_told(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "small").folder
    np.save(tmp_path / "x.npy", np.ones((1, 2, 2), np.float32))
    assert run(folder, "infer.py", tmp_path / "x.npy").returncode == 0
    ran = run(folder, "infer.py", "--int8", tmp_path / "x.npy")
    assert ran.returncode == 2
    assert "without an int8 model" in ran.stderr


def test_the_benchmark_measures_and_says_what_it_cannot_know(made: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = run(made, "benchmark.py", "--seconds", 0.05, "--json", path=empty)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["seconds"] >= 0.05
    assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"]
    assert found["load_ms"] > 0
    assert 10 < found["peak_memory_mb"] < 4000
    if shutil.which("vcgencmd") is None:
        assert found["throttling"] == "not available"


def test_the_benchmark_reads_the_bits_of_the_firmware(made: Path, tmp_path: Path) -> None:
    # 0x50005: under-voltage (0) and throttled (2), both now and since the start (16, 18)
    path = install(tmp_path / "bin", "vcgencmd", "print('throttled=0x50005')\n")
    ran = run(made, "benchmark.py", "--seconds", 0.01, "--json", path=path)
    assert json.loads(ran.stdout)["throttling"] == (
        "under-voltage, throttled, under-voltage since the start, throttled since the start"
    )


def test_the_camera_answers_when_two_frames_agree(made: Path, tmp_path: Path) -> None:
    from tinytorch.opt.deploy.photographs import photograph

    rng = np.random.default_rng(0)
    blank = photograph(np.zeros((28, 28)), rng)[..., 1]
    digit = photo_of(PHOTO_OF)[..., 1]
    planes = [blank, digit, digit, blank]
    colour = np.full((240 // 2, 320), 128, np.uint8)
    file = tmp_path / "frames"
    file.write_bytes(b"".join(plane.tobytes() + colour.tobytes() for plane in planes))
    code = f"""import sys
assert sys.argv[sys.argv.index("--codec") + 1] == "yuv420", sys.argv
assert sys.argv[sys.argv.index("--width") + 1] == "320", sys.argv
sys.stderr.write("frame " * 50_000)
sys.stdout.buffer.write(open({str(file)!r}, "rb").read())
"""
    path = install(tmp_path / "bin", "rpicam-vid", code)
    ran = run(made, "camera.py", "--size", "320x240", "--json", path=path)
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(line)["answer"] for line in ran.stdout.splitlines()] == [
        None, str(PHOTO_OF), str(PHOTO_OF), None,
    ]  # fmt: skip
    ran = run(made, "camera.py", "--size", "320x240", path=path)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [str(PHOTO_OF)]


def test_a_still_is_one_picture(made: Path, tmp_path: Path) -> None:
    frame = photo_of(PHOTO_OF)[..., 1].tobytes() + bytes([128]) * (320 * 120)
    (tmp_path / "frame").write_bytes(frame)
    code = f"import sys\nassert '--encoding' in sys.argv\nsys.stdout.buffer.write(open({str(tmp_path / 'frame')!r}, 'rb').read())\n"  # noqa: E501
    path = install(tmp_path / "bin", "rpicam-still", code)
    ran = run(made, "camera.py", "--still", "--size", "320x240", path=path)
    assert (ran.returncode, ran.stdout[:1]) == (0, str(PHOTO_OF)), ran.stderr


def test_a_camera_that_fails_says_so(made: Path, tmp_path: Path) -> None:
    code = "import sys\nsys.exit('ERROR: *** no cameras available ***')\n"
    path = install(tmp_path / "bin", "rpicam-vid", code)
    ran = run(made, "camera.py", path=path)
    assert ran.returncode == 1
    assert "no cameras available" in ran.stderr
    if shutil.which("rpicam-vid") is None:
        ran = run(made, "camera.py")
        assert ran.returncode == 2
        assert "sudo apt install rpicam-apps" in ran.stderr


def test_pictures_are_cut_to_the_models_shape(tmp_path: Path) -> None:
    model = Sequential(Flatten(), Linear(12, 12, rng=np.random.default_rng(0)))
    model.layers[1].weight.data = np.eye(12, dtype=np.float32)
    model.layers[1].bias.data = np.zeros(12, np.float32)
    facts = {"kind": "picture", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 1]}
    x = np.zeros((1, 3, 2, 2), np.float32)
    made = bundle(model, tmp_path / "b", example=x, labels=list("abcdefghijkl"), preprocess=facts)
    colours = np.zeros((4, 8, 3), np.uint8)
    colours[:2, 2:4] = [255, 0, 102]  # the square in the middle: columns 2 to 5
    colours[:, :2] = colours[:, 6:] = 77  # cut away
    (tmp_path / "c.ppm").write_bytes(ppm(colours))
    ran = run(made.folder, "infer.py", "--json", "--scores", tmp_path / "c.ppm")
    scores = np.array(json.loads(ran.stdout)["scores"]).reshape(3, 2, 2)
    np.testing.assert_allclose(scores[:, 0, 0], [1, -2, -0.1], atol=1e-5)
    np.testing.assert_allclose(scores[:, 1, 1], [-1, -2, -0.5], atol=1e-5)
