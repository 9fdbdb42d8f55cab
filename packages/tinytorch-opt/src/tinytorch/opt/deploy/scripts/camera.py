"""Read what the camera of a Raspberry Pi sees: python camera.py

Frames come from the system's own program, `rpicam-vid` (formerly `libcamera-vid`), as raw YUV420;
of these only the brightness is used. So it needs no picamera2, which asks for NumPy 1 on Raspberry
Pi OS 12. An answer is given when two frames in a row agree.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # `python -I` leaves it out

try:
    import numpy as np
    from prepare import Model, sentence
except ImportError as error:
    lost = error.name in ("prepare", "paper", "pictures", "mfcc")
    print(
        f"camera.py: {error}: "
        + (
            "a file of this folder is missing; copy the whole folder again"
            if lost
            else "python -m pip install -r requirements.txt (is .venv active?)"
        ),
        file=sys.stderr,
    )
    sys.exit(2)

Array = np.ndarray[Any, Any]


def command(still: bool, width: int, height: int, rate: int, turned: bool) -> list[str]:
    """The program that writes frames to its standard output, and its arguments.

    Raises ValueError where there is none.
    """
    kind = "still" if still else "vid"
    program = shutil.which(f"rpicam-{kind}") or shutil.which(f"libcamera-{kind}")
    if program is None:
        raise ValueError(f"rpicam-{kind} is not here: sudo apt install rpicam-apps")
    shared = ["--nopreview", "--width", str(width), "--height", str(height), "--output", "-"]
    shared += ["--rotation", "180"] if turned else []
    if still:
        # so long it may get used to the light
        return [program, "--timeout", "1500", "--encoding", "yuv420", *shared]
    return [program, "--timeout", "0", "--codec", "yuv420", "--framerate", str(rate), *shared]


def frames(stream: IO[bytes], width: int, height: int) -> Iterator[Array]:
    """The brightness (H, W), uint8, of each YUV420 frame of a stream.

    A frame is the brightness, then two planes of colour, each of a quarter of its size.
    """
    size = width * height * 3 // 2
    while True:
        content = stream.read(size)
        if len(content) < size:
            return
        yield np.frombuffer(content, np.uint8, width * height).reshape(height, width)


def main() -> int:
    parser = argparse.ArgumentParser(description="Ask the model about what the camera sees.")
    parser.add_argument("--still", action="store_true", help="one picture, and the answer to it")
    parser.add_argument("--int8", action="store_true", help="run model.int8.onnx")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many; 0 never does")
    parser.add_argument("--rate", type=int, default=5, help="frames a second")
    parser.add_argument("--size", default="640x480", help="the width must be a multiple of 64")
    parser.add_argument("--turned", action="store_true", help="the camera is upside down")
    parser.add_argument("--json", action="store_true", help="one JSON object a frame")
    given = parser.parse_args()
    try:
        width, height = (int(number) for number in given.size.split("x"))
        if width % 64 or height % 2 or min(width, height) < 1:
            raise ValueError(f"--size {given.size}: a multiple of 64, and an even number")
        model = Model(HERE, int8=given.int8)
        if model.facts["kind"] not in ("digit", "picture"):
            raise ValueError("the model of this folder reads no pictures: try infer.py")
        program = command(given.still, width, height, given.rate, given.turned)
    except (ValueError, OSError) as error:
        print(f"camera.py: {error}", file=sys.stderr)
        return 2
    wanted = 1 if given.still else given.frames
    seen, before = 0, None
    # what it says goes to a file: a pipe that nobody reads would stop it
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log) as camera,
    ):
        assert camera.stdout is not None
        try:
            for frame in frames(camera.stdout, width, height):
                found = model.ask(frame)
                seen += 1
                if given.json:
                    print(json.dumps(found), flush=True)
                elif given.still or (found["answer"] is not None and found["answer"] == before):
                    print(sentence(found), flush=True)
                before = found["answer"]
                if seen == wanted:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            camera.terminate()
            camera.wait()
        log.seek(0)
        told = log.read().decode(errors="replace")[-400:]
    if not seen:
        print(f"camera.py: no frame came. {Path(program[0]).name}: {told}", file=sys.stderr)
    return 0 if seen else 1


if __name__ == "__main__":
    sys.exit(main())
