"""The energy of a call, where the board measures it; "not measured" where it does not.

    print(energy_of(model, x))     # 3.1 mJ a call (12.4 W, RAPL: package-0, dram), or why not

Two boards tell: Linux shows the counters of Intel's and AMD's processors (RAPL), and a Raspberry Pi
5 the currents and voltages of its rails (PMIC). Both hold all that the board did meanwhile, idling
included. There is no third way here: energy computed from a time and a power in a data sheet is not
a measurement. Take it in a run of its own: reading the Pi's sensor costs a process each time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from tinytorch.opt.benchmarking import REAL_TIME, Clock

NOT_MEASURED = "not measured"


class Meter(Protocol):
    """Something that measures energy between two moments."""

    source: str

    def start(self) -> None:
        """Begin."""

    def stop(self) -> float:
        """Joules since `start`."""


@dataclass(frozen=True)
class Energy:
    """What `energy_of` found: joules per call, or None and the reason."""

    joules: float | None
    watts: float | None = None  # on average while it ran
    source: str = ""
    calls: int = 0
    seconds: float = 0.0
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {**asdict(self), "text": str(self)}

    def __str__(self) -> str:
        if self.joules is None:
            return f"{NOT_MEASURED}: {self.reason}"
        return f"{in_joules(self.joules)} a call ({self.watts:.3g} W, {self.source})"


def energy_of(
    fn: Callable[..., Any],
    *args: Any,
    min_seconds: float = 2.0,
    meter: Meter | str | None = None,
    clock: Clock = REAL_TIME,
) -> Energy:
    """Call `fn(*args)` for `min_seconds` and divide the energy used by the number of calls.

    meter  None to look for one on this machine; a text is the reason why there is none
    """
    found = find_meter() if meter is None else meter
    if isinstance(found, str):
        return Energy(None, reason=found)
    fn(*args)
    found.start()
    calls, start = 0, clock.wall()
    try:
        while not calls or clock.wall() - start < min_seconds:
            fn(*args)
            calls += 1
    finally:
        joules = found.stop()
    seconds = clock.wall() - start
    return Energy(joules / calls, joules / seconds, found.source, calls, seconds)


def find_meter(root: Path = Path("/"), ask: Callable[[], str] | None = None) -> Meter | str:
    """The meter of this machine; or in words why there is none.

    root, ask  where `sys` is, and what reads the Pi's sensor: for tests
    """
    zones = [zone for zone in (root / "sys/class/powercap").glob("intel-rapl:*") if _counts(zone)]
    if zones:
        try:
            meter = Rapl(sorted(zones))
            meter.start()
        except PermissionError:
            return "the processor counts energy, and only root may read it (CVE-2020-8694)"
        return meter
    ask = ask or (_vcgencmd if shutil.which("vcgencmd") else None)
    if ask is not None:
        try:
            if rail_watts(ask()) > 0:
                return Pmic(ask)
        except (OSError, subprocess.SubprocessError):
            pass  # an older Pi, or no right to ask: as if it were not there
    return "this machine shows no energy counter (RAPL) and no sensor of its rails (Pi 5)"


class Rapl:
    """The processor's counters, in microjoules, which begin again at 0 after their range.

    zones  folders of `/sys/class/powercap`. A counter may begin again once while it is watched; its
           range is some minutes to an hour of full load, so watch for less.
    Source: kernel.org/doc/html/latest/power/powercap/powercap.html
    """

    def __init__(self, zones: Sequence[Path]) -> None:
        self.zones = zones
        self.source = "RAPL: " + ", ".join(_read(zone / "name") for zone in zones)
        self._before: list[int] = []

    def start(self) -> None:
        self._before = self._counters()

    def stop(self) -> float:
        used = 0
        for zone, before, after in zip(self.zones, self._before, self._counters(), strict=True):
            if after < before:
                after += int(_read(zone / "max_energy_range_uj"))
            used += after - before
        return used / 1e6

    def _counters(self) -> list[int]:
        return [int(_read(zone / "energy_uj")) for zone in self.zones]


class Pmic:
    """A Pi 5's rails: the sum of current times voltage, read while the program runs.

    ask       returns what `vcgencmd pmic_read_adc` prints
    interval  seconds between readings

    The power between two readings is taken to change along a line. The rails leave out what hangs
    on 5 V directly (USB devices, a fan) and the losses of the supply.
    """

    source = "Pi 5 PMIC, sum of its rails"

    def __init__(
        self, ask: Callable[[], str], interval: float = 0.25, clock: Clock = REAL_TIME
    ) -> None:
        self.ask, self.interval, self.clock = ask, interval, clock
        self.readings: list[tuple[float, float]] = []  # (seconds, watts)

    def start(self) -> None:
        self.readings = []
        self._over = threading.Event()
        self._read_once()
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def stop(self) -> float:
        self._over.set()
        self._reader.join()
        self._read_once()
        return sum((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in pairwise(self.readings))

    def _read_on(self) -> None:
        while not self._over.wait(self.interval):
            self._read_once()

    def _read_once(self) -> None:
        watts = rail_watts(self.ask())
        self.readings.append((self.clock.wall(), watts))


def rail_watts(text: str) -> float:
    """Watts of all rails of which a current and a voltage are shown; 0 where there are none.

    >>> rail_watts("VDD_CORE_A current(7)=2.00000000A VDD_CORE_V volt(15)=0.75000000V")
    1.5
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, kind, value in re.findall(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)", text):
        found[kind][rail] = float(value)
    return sum(amperes * found["V"].get(rail, 0.0) for rail, amperes in found["A"].items())


def in_joules(joules: float) -> str:
    """An energy with three digits and its unit: "3.1 mJ".

    >>> in_joules(0.0031)
    '3.1 mJ'
    """
    for size, unit in ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ")):
        if joules >= size:
            return f"{joules / size:.3g} {unit}"
    return f"{joules / 1e-9:.3g} nJ"


def _counts(zone: Path) -> bool:
    """Whether a zone counts what no other of them does: packages, and memory beside them.

    "core" and "uncore" are parts of a package, and "psys" holds all.
    """
    try:
        name = _read(zone / "name")
    except OSError:
        return False
    return (name.startswith("package") or name == "dram") and (zone / "energy_uj").exists()


def _read(path: Path) -> str:
    return path.read_text("ascii").strip()


def _vcgencmd() -> str:
    command = ["vcgencmd", "pmic_read_adc"]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
