"""A spoken word: MFCC equal to those that were recorded, a model of twelve words, a microphone."""

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")

from bundle_helper import install, run

from tinytorch import Tensor
from tinytorch.arch.models import DSCNN
from tinytorch.core.context import no_grad
from tinytorch.datasets.errors import DatasetCorruptError, DatasetMissingError
from tinytorch.opt.deploy import keywords
from tinytorch.opt.deploy.keyword_bundle import REJECT, keyword_bundle
from tinytorch.opt.deploy.keyword_bundle import main as keyword_bundle_command
from tinytorch.opt.deploy.keywords import Recipe, Vary, keyword_model, standard
from tinytorch.opt.deploy.scripts import mfcc
from tinytorch.opt.deploy.speech import SHAPE, WORDS, Clips, real


@pytest.fixture(scope="module")
def clips() -> Clips:
    try:
        return Clips()
    except DatasetMissingError as error:
        pytest.skip(str(error))


def samples_of(content: bytes) -> Any:
    with wave.open(io.BytesIO(content)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def wav(samples: Any, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


# MFCC
@pytest.mark.once
def test_all_recordings_have_the_mfcc_that_were_recorded(clips: Clips) -> None:
    count = others = 0
    for name, _, recorded, content in clips.recordings():
        found = mfcc.quantised(mfcc.coefficients(samples_of(content)))
        assert np.abs(found.astype(int) - recorded).max() <= 1, name
        others += int((found != recorded).sum())
        count += 1
    assert count == 240
    assert others <= 117  # of 117,600: 0 here, where NumPy is 2.4


def test_a_tone_lies_in_the_band_of_its_pitch() -> None:
    weights = mfcc.bands()  # (257, 40)
    edges = np.linspace(mfcc.mel(20), mfcc.mel(4000), 42)
    for hertz in (250, 1000, 3000):
        line = round(hertz / (16_000 / 512))
        assert edges[weights[line].argmax()] < mfcc.mel(hertz) < edges[weights[line].argmax() + 2]
    assert weights[0].max() == 0
    assert weights.max() <= 1
    assert mfcc.mel(1000) == pytest.approx(999.99, abs=0.01)  # HTK's scale meets Hertz at 1,000


def test_the_cosine_transform_is_the_second_one() -> None:
    """Against its sum, written out."""
    values = np.random.default_rng(0).normal(size=40)
    expected = [
        2 * sum(values[n] * np.cos(np.pi * k * (2 * n + 1) / 80) for n in range(40)) / np.sqrt(80)
        for k in range(10)
    ]
    np.testing.assert_allclose(values @ mfcc.cosines(), expected, atol=1e-12)


def test_silence_short_and_long_sound_have_the_same_shape() -> None:
    rng = np.random.default_rng(0)
    for length in (0, 1, 15_999, 16_000, 40_000):
        found = mfcc.coefficients(rng.integers(-999, 999, length))
        assert found.shape == (49, 10)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
    assert np.isfinite(mfcc.coefficients(np.full(16_000, -5))).all()  # nothing above 0


def test_loudness_does_not_count() -> None:
    sound = np.random.default_rng(0).integers(-500, 500, 16_000)
    np.testing.assert_allclose(mfcc.coefficients(sound), mfcc.coefficients(sound * 30), atol=1e-3)


def test_int8_is_cut_toward_zero_and_clipped() -> None:
    steps = np.array([-1e9, -83.5, -83.4, 0, 0.6, 43.9, 1e9], np.float32)
    found = mfcc.quantised(steps * np.float32(mfcc.SCALE))
    np.testing.assert_array_equal(found, [-128, 0, 0, 83, 83, 126, 127])
    np.testing.assert_allclose(mfcc.real(found[3:4]), 0)
    np.testing.assert_array_equal(mfcc.real(found), real(found))


# The data
def test_no_speaker_is_on_both_sides(clips: Clips) -> None:
    assert clips.maps.shape == SHAPE
    assert clips.fit.sum() == 3840
    speakers = np.array([row["speaker"] for row in clips.rows])
    both = set(speakers[clips.fit]) & set(speakers[~clips.fit]) - {"-"}
    assert both == set()
    for label, row in zip(clips.labels, clips.rows, strict=True):
        assert int(row["label"]) == label
        assert WORDS[label] in (row["word"], "silence", "unknown")


def test_data_that_is_missing_or_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetMissingError, match="no such file"):
        Clips(tmp_path)
    (tmp_path / "labels-idx1-ubyte.gz").write_bytes(b"x")
    with pytest.raises(DatasetCorruptError, match="not what it should be"):
        Clips(tmp_path)
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    with pytest.raises(DatasetMissingError, match="set TINYTORCH_DATA"):
        Clips()


# The model
def test_the_weights_say_how_they_were_made() -> None:
    model, facts = keyword_model()
    assert isinstance(model, DSCNN)
    assert not model.training
    assert tuple(facts["labels"]) == WORDS
    assert facts["command"].startswith("python -m tinytorch.opt.deploy.keywords")
    assert facts["seed"] == 0
    assert len(facts["log"]["train_loss"]) == facts["settings"]["epochs"] == Recipe.epochs
    assert keywords.WEIGHTS.stat().st_size <= 400_000


@pytest.mark.once
def test_it_knows_as_much_as_it_says_of_other_speakers(clips: Clips) -> None:
    model, facts = keyword_model()
    maps, mean, std = standard(clips.maps, clips.fit)
    np.testing.assert_allclose(mean, facts["mean"], atol=1e-5)
    np.testing.assert_allclose(std, facts["std"], atol=1e-5)
    with no_grad():
        scores = model(Tensor(maps[~clips.fit])).data
    right = np.mean(scores.argmax(axis=1) == clips.labels[~clips.fit])
    assert right == pytest.approx(facts["accuracy"], abs=0.002)
    assert right >= 0.85
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    sure = (shares / shares.sum(axis=1, keepdims=True)).max(axis=1) >= REJECT["probability"]
    answers = (scores.argmax(axis=1) == clips.labels[~clips.fit])[sure]
    assert sure.mean() == pytest.approx(0.830, abs=0.005)
    assert answers.mean() == pytest.approx(0.937, abs=0.005)


def test_variations_are_drawn_from_their_seed_and_keep_what_was_said() -> None:
    maps = np.random.default_rng(0).standard_normal((8, 1, 49, 10)).astype(np.float32)
    before = maps.copy()
    first, second = (Vary()(maps, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(maps, before)
    assert first.shape == maps.shape
    assert first.dtype == np.float32
    still = Vary(shift=0, tempo=0, tone=0, noise=0, gap=0)(maps, np.random.default_rng(1))
    np.testing.assert_allclose(still, maps, atol=1e-5)
    moved = Vary(shift=4, tempo=0, tone=0, noise=0, gap=0)
    ramp = np.broadcast_to(np.arange(49, dtype=np.float32)[:, None], (5, 1, 49, 10))
    inner = moved(ramp, np.random.default_rng(2))[:, 0, 10:40, 0] - np.arange(10, 40)
    assert np.ptp(inner, axis=1).max() < 1e-4  # every frame by the same
    assert 1 < np.abs(inner[:, 0]).max() <= 4


def test_a_training_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)

    class Few:
        maps = rng.integers(-99, 99, (40, 49, 10)).astype(np.int8)
        labels = rng.integers(0, 12, 40)
        fit = np.arange(40) < 24

    fit = keywords.Trainer.fit

    def trained_in(folder: Path) -> Any:
        keywords.train(folder, Recipe(epochs=3, batch=8), Few(), progress=False)
        return keywords.load(folder / "dscnn.safetensors")

    with monkeypatch.context() as patch:  # stopped after the first of three epochs
        patch.setattr(keywords.Trainer, "fit", lambda self, x, **_: fit(self, x, epochs=1))
        trained_in(tmp_path / "b")
    whole = trained_in(tmp_path / "a")
    steps, step = [], keywords.Trainer.train_step
    monkeypatch.setattr(
        keywords.Trainer, "train_step", lambda self, x: steps.append(step(self, x)) or steps[-1]
    )
    parts = trained_in(tmp_path / "b")
    assert len(steps) == 6  # two epochs of three batches
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)


# In a bundle
@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keyword_bundle(tmp_path_factory.mktemp("bundles") / "words").folder


def test_the_bundle_of_words_passes_its_self_test(words: Path) -> None:
    told = run(words, "infer.py", "--self-test")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "ok    preparation" in told.stdout


@pytest.mark.once
def test_recordings_are_understood(clips: Clips, words: Path, tmp_path: Path) -> None:
    """Through the bundle's own programs, from .wav files of speakers that were not learned from."""
    strangers = {row["source"] for row in clips.rows if row["split"] != "fit"}
    chosen = [each for each in clips.recordings() if each[0] in strangers][::4]
    assert len(chosen) >= 10
    right = wrong = 0
    for i, (_, label, _, content) in enumerate(chosen):
        (tmp_path / f"{i}.wav").write_bytes(content)
        told = run(words, "infer.py", "--json", tmp_path / f"{i}.wav")
        answer = json.loads(told.stdout)["answer"]
        right += answer == WORDS[label]
        wrong += answer not in (None, WORDS[label])
    assert right / len(chosen) >= 0.6
    assert wrong / len(chosen) <= 0.25


@pytest.mark.once
def test_the_command_adds_an_int8_model_where_clips_are(
    clips: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keyword_bundle_command([str(tmp_path / "words")]) == 0
    manifest = json.loads((tmp_path / "words" / "MANIFEST.json").read_text())
    measured = manifest["accuracy"]
    assert measured["examples"] == 1050
    assert measured["model.onnx"] >= 0.85
    assert measured["model.int8.onnx"] >= measured["model.onnx"] - 0.02
    assert "self-test passed" in capsys.readouterr().out


def test_the_microphone_listens_to_seconds_that_overlap(words: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sound = (2000 * rng.standard_normal(40_000)).astype("<i2")
    sound[:16_000] = 3
    (tmp_path / "sound").write_bytes(sound.tobytes())
    code = f"""import sys
assert sys.argv[1:] == "-q -D plughw:1,0 -f S16_LE -r 16000 -c 1 -t raw".split(), sys.argv
sys.stdout.buffer.write(open({str(tmp_path / "sound")!r}, "rb").read())
"""
    path = install(tmp_path / "bin", "arecord", code)
    ran = run(words, "microphone.py", "--device", "plughw:1,0", "--json", path=path)
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(found) == 4  # seconds that end at 1.0, 1.5, 2.0 and 2.5
    assert found[0]["answer"] == "silence"
    assert found[0]["loudest"] == 3
    (tmp_path / "sound.wav").write_bytes(wav(sound))
    ran = run(words, "microphone.py", "--json", tmp_path / "sound.wav")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == found


@pytest.mark.parametrize(
    ("rate", "told"), [(44_100, "16000 Hz and 16 bits are wanted"), (16_000, "")]
)
def test_other_sampling_rates_are_refused_with_the_way_out(
    words: Path, tmp_path: Path, rate: int, told: str
) -> None:
    (tmp_path / "s.wav").write_bytes(wav(np.arange(16_000) % 2000 - 1000, rate))
    ran = run(words, "microphone.py", "--json", tmp_path / "s.wav")
    assert ran.returncode == (2 if told else 0), ran.stderr
    assert told in ran.stderr


def test_a_picture_is_no_sound(words: Path, tmp_path: Path) -> None:
    (tmp_path / "p.pgm").write_bytes(b"P5\n32 32\n255\n" + bytes(1024))
    ran = run(words, "infer.py", tmp_path / "p.pgm")
    assert ran.returncode == 2
    assert "a .wav of 16,000 Hz" in ran.stderr
