"""How fast the model of this folder is on this machine: one example after the other.

    python benchmark.py                   ten seconds, after ten runs that do not count
    python benchmark.py --int8 --threads 4 --json

Times are those of the model alone: reading and preparing a file does not count. What a machine does
not tell (temperature, throttling) is "not available".
"""

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # `python -I` leaves it out

try:
    import numpy as np
    import onnxruntime
    from prepare import Model
except ImportError as error:
    lost = error.name in ("prepare", "paper", "pictures", "mfcc")
    print(
        f"benchmark.py: {error}: "
        + (
            "a file of this folder is missing; copy the whole folder again"
            if lost
            else "python -m pip install -r requirements.txt (is .venv active?)"
        ),
        file=sys.stderr,
    )
    sys.exit(2)

UNKNOWN = "not available"
# https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd, get_throttled
NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


def text_of(path: str) -> str | None:
    """The content of a small file of the system, or None."""
    try:
        return Path(path).read_text("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None


def temperature() -> float | str:
    """Of the processor, in degrees Celsius."""
    text = text_of("/sys/class/thermal/thermal_zone0/temp")
    return int(text) / 1000 if text and text.lstrip("-").isdigit() else UNKNOWN


def throttling() -> str:
    """What the firmware says of under-voltage and heat, now and since the start."""
    program = shutil.which("vcgencmd")
    if program is None:
        return UNKNOWN
    try:
        told = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
        bits = int(told.strip().split("=")[1], 16)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return UNKNOWN
    found = [name for bit, name in NOW.items() if bits >> bit & 1]
    found += [f"{name} since the start" for bit, name in NOW.items() if bits >> bit + 16 & 1]
    return ", ".join(found) or "none"


def machine() -> dict[str, str]:
    """Which board, and how its clock is governed."""
    return {
        "board": text_of("/proc/device-tree/model") or platform.machine(),
        "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or UNKNOWN,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def example() -> Any:
    """The first input of golden.npz, (1, ...) float32. Raises ValueError where it is damaged."""
    try:
        with np.load(HERE / "golden.npz", allow_pickle=False) as golden:
            return golden["input"][:1]
    except (ValueError, OSError, LookupError, EOFError, BadZipFile, TypeError) as error:
        raise ValueError(
            f"golden.npz is missing or damaged ({error}): copy the whole folder again"
        ) from None


def measure(model: Model, x: Any, seconds: float, warm_ups: int = 10) -> dict[str, Any]:
    """Run one example, x (1, ...), again and again for at least `seconds`."""
    before = temperature()
    for _ in range(warm_ups):
        model.scores(x)
    times: list[int] = []
    begun = time.perf_counter_ns()
    while True:
        start = time.perf_counter_ns()
        model.scores(x)
        end = time.perf_counter_ns()
        times.append(end - start)
        if end - begun >= seconds * 1e9:
            break
    p50, p90, p99 = np.percentile(times, [50, 90, 99]) / 1e6
    return {
        "runs": len(times),
        "seconds": (end - begun) / 1e9,
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "load_ms": model.load_seconds * 1e3,
        # kilobytes on Linux, bytes on macOS
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (2**20 if sys.platform == "darwin" else 2**10),
        "temperature_before": before,
        "temperature_after": temperature(),
        "throttling": throttling(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the model of this folder.")
    parser.add_argument("--seconds", type=float, default=10.0, help="at least so long")
    parser.add_argument("--int8", action="store_true", help="measure model.int8.onnx")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    try:
        model = Model(HERE, int8=given.int8, threads=given.threads)
        x = example()
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    found = {"model": "model.int8.onnx" if given.int8 else "model.onnx", "threads": given.threads}
    found |= machine() | measure(model, x, given.seconds)
    if given.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        print(f"{name:<20}{f'{value:.3f}' if isinstance(value, float) else value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
