"""Ask the model of this folder about a file, or test that the folder works on this machine.

    python infer.py photo.jpg             a picture, a .wav, or a .npy (of one example or several)
    python infer.py --self-test           files, preparation, and the model's answers
    python infer.py --int8 photo.jpg      the smaller model

Exit code: 0 answered or passed; 1 no answer, or failed; 2 what was asked cannot be done.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # `python -I` leaves it out

try:
    import numpy as np
    import onnxruntime
    from prepare import Model, as_json, read, sentence
except ImportError as error:
    lost = error.name in ("prepare", "paper", "pictures", "mfcc")
    print(
        f"infer.py: {error}: "
        + (
            "a file of this folder is missing; copy the whole folder again"
            if lost
            else "python -m pip install -r requirements.txt (is .venv active?)"
        ),
        file=sys.stderr,
    )
    sys.exit(2)

CLOSE = 1e-4  # of the largest score: where the float model may differ from the building machine's
CLOSE_INT8 = 0.05  # an integer that is rounded the other way moves a score by about so much


def self_test() -> list[dict[str, Any]]:
    """Each check by name, whether it passed, and what was seen."""
    try:
        sums = {
            name: facts["sha256"]
            for name, facts in as_json(HERE / "MANIFEST.json")["files"].items()
        }
    except ValueError as error:
        return [{"check": "files", "passed": False, "seen": str(error)}]
    except (LookupError, TypeError, AttributeError):
        seen = "MANIFEST.json lists no files: copy the whole folder again"
        return [{"check": "files", "passed": False, "seen": seen}]
    wrong = [
        name
        for name, sum_ in sums.items()
        if not (HERE / name).is_file()
        or hashlib.sha256((HERE / name).read_bytes()).hexdigest() != sum_
    ]
    count = len(sums)
    found = [
        {
            "check": "files",
            "passed": not wrong,
            "seen": f"changed or missing: {', '.join(wrong)}" if wrong else f"{count} as written",
        }
    ]
    if wrong:  # what follows would test something else
        return found
    try:
        return found + golden_checks()
    except (ValueError, OSError, LookupError, EOFError, TypeError, BadZipFile) as error:
        seen = f"the examples cannot be read or asked: {error}"
        return [*found, {"check": "golden.npz", "passed": False, "seen": seen}]


def golden_checks() -> list[dict[str, Any]]:
    """The checks of preparation and models, by the examples of golden.npz."""
    found = []
    with np.load(HERE / "golden.npz", allow_pickle=False) as golden:
        model = Model(HERE)
        if "raw" in golden:
            difference = float(np.abs(model.prepare(golden["raw"]) - golden["prepared"]).max())
            found.append(
                {
                    "check": "preparation",
                    "passed": difference <= 1e-3,
                    "seen": f"differs by {difference:.1e} at most",
                }
            )
        found.append(compared("model.onnx", model, golden["input"], golden["output"], CLOSE))
        if "output_int8" in golden:
            small = Model(HERE, int8=True)
            found.append(
                compared(
                    "model.int8.onnx", small, golden["input"], golden["output_int8"], CLOSE_INT8
                )
            )
    return found


def compared(name: str, model: Model, x: Any, expected: Any, close: float) -> dict[str, Any]:
    """Whether a model gives the scores that it gave where the folder was made."""
    scores = model.scores(x)
    if scores.shape != expected.shape:
        return {"check": name, "passed": False, "seen": f"{scores.shape}, not {expected.shape}"}
    room = close * max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(scores - expected).max())
    first, second = np.sort(expected, axis=-1)[..., -1], np.sort(expected, axis=-1)[..., -2]
    clear = first - second > 2 * room
    same = (scores.argmax(-1) == expected.argmax(-1))[clear]
    return {
        "check": name,
        "passed": bool(difference <= room and same.all()),
        "seen": f"{len(x)} examples: scores differ by {difference:.1e} at most (room {room:.1e})",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Ask the model of this folder.")
    parser.add_argument("file", nargs="?", help="a picture, a .wav of 16,000 Hz, or a .npy")
    parser.add_argument("--self-test", action="store_true", help="test this folder")
    parser.add_argument("--int8", action="store_true", help="run model.int8.onnx")
    parser.add_argument("--invert", action="store_true", help="a picture that is light on dark")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--scores", action="store_true", help="print the scores too")
    given = parser.parse_args()
    if given.self_test == (given.file is not None):
        parser.error("name a file, or say --self-test")
    if given.self_test:
        found = self_test()
        passed = all(check["passed"] for check in found)
        if given.json:
            versions = {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__}
            print(json.dumps({"passed": passed, "checks": found, "versions": versions}))
        else:
            for check in found:
                print(f"{'ok  ' if check['passed'] else 'FAIL'}  {check['check']}: {check['seen']}")
            print("self-test passed" if passed else "self-test FAILED")
        return 0 if passed else 1
    try:
        model = Model(HERE, int8=given.int8)
        data = read(given.file)
        if given.invert:
            if data.dtype != np.uint8:
                raise ValueError(f"{given.file}: --invert turns a picture over, and this is none")
            data = 255 - data
        answers = model.ask_each(data)
        if given.scores:
            for place, answer in enumerate(answers):
                if answer["guess"] is not None:
                    answer["scores"] = model.scores(model.prepare(data)[place : place + 1])[
                        0
                    ].tolist()
    except (ValueError, OSError) as error:
        print(f"infer.py: {error}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(answers if len(answers) > 1 else answers[0]))
    else:
        for place, answer in enumerate(answers):
            print(f"[{place}] " * (len(answers) > 1) + sentence(answer))
            if "scores" in answer:
                print(" ".join(f"{score:.4f}" for score in answer["scores"]))
            if "note" in answer:
                print(answer["note"])
    return 0 if all(answer["answer"] is not None for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
