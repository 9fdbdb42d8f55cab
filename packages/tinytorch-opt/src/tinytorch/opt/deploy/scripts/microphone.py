"""Listen for the words that the model of this folder knows: python microphone.py

Sound comes from `arecord` (ALSA) as a subprocess, 16,000 Hz, one channel; or from a .wav file:

    python microphone.py sound.wav

Every half second the last second is looked at. Left out: the bundle of a model that reads pictures.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # `python -I` leaves it out

try:
    import numpy as np
    from mfcc import RATE
    from prepare import QUIET, Model, loudest, read_wav, sentence
except ImportError as error:
    lost = error.name in ("prepare", "paper", "pictures", "mfcc")
    print(
        f"microphone.py: {error}: "
        + (
            "a file of this folder is missing; copy the whole folder again"
            if lost
            else "python -m pip install -r requirements.txt (is .venv active?)"
        ),
        file=sys.stderr,
    )
    sys.exit(2)

Array = np.ndarray[Any, Any]
NO_WORDS = ("silence", "unknown")


def seconds_of(stream: IO[bytes], step: int) -> Iterator[Array]:
    """The last second of a stream of int16 samples, after every `step` of them."""
    last = np.zeros(0, np.int16)
    while True:
        content = stream.read(2 * step)
        if len(content) < 2 * step:
            return
        last = np.concatenate([last, np.frombuffer(content, "<i2")])[-RATE:]
        if len(last) == RATE:
            yield last


def pieces_of(samples: Array, step: int) -> Iterator[Array]:
    """The seconds of a recording, one after every `step` samples; a short one is one second."""
    if len(samples) <= RATE:
        yield samples
        return
    for start in range(0, len(samples) - RATE + 1, step):
        yield samples[start : start + RATE]


def main() -> int:
    parser = argparse.ArgumentParser(description="Ask the model about what is heard.")
    parser.add_argument("file", nargs="?", help="a .wav of 16,000 Hz instead of the microphone")
    parser.add_argument("--device", default="default", help="see arecord -l: plughw:1,0")
    parser.add_argument("--int8", action="store_true", help="run model.int8.onnx")
    parser.add_argument("--level", type=int, default=QUIET, help="what is quieter is not looked at")
    parser.add_argument("--windows", type=int, default=0, help="stop after so many; 0 never does")
    parser.add_argument("--all", action="store_true", help="tell of silence and doubt too")
    parser.add_argument("--json", action="store_true", help="one JSON object a second looked at")
    given = parser.parse_args()
    step, listening = RATE // 2, None
    try:
        model = Model(HERE, int8=given.int8)
        if model.facts["kind"] != "keyword":
            raise ValueError("the model of this folder does not listen: try infer.py")
        if given.file:
            source = pieces_of(read_wav(given.file), step)
        else:
            program = shutil.which("arecord")
            if program is None:
                raise ValueError("arecord is not here: sudo apt install alsa-utils")
            shape = ["-f", "S16_LE", "-r", str(RATE), "-c", "1", "-t", "raw"]
            listening = subprocess.Popen(
                [program, "-q", "-D", given.device, *shape], stdout=subprocess.PIPE
            )
            assert listening.stdout is not None
            source = seconds_of(listening.stdout, step)
    except (ValueError, OSError) as error:
        print(f"microphone.py: {error}", file=sys.stderr)
        return 2
    seen = 0
    try:
        for samples in source:
            seen += 1
            found = model.ask(samples, given.level)
            if given.json:
                print(json.dumps(found | {"loudest": loudest(samples)}), flush=True)
            elif given.all or (found["answer"] is not None and found["answer"] not in NO_WORDS):
                print(sentence(found), flush=True)
            if seen == given.windows:
                break
    except KeyboardInterrupt:
        pass
    finally:
        if listening is not None:
            listening.terminate()
            listening.wait()
    if not seen:
        print("microphone.py: nothing was heard: arecord -l lists the devices", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
