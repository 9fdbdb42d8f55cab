"""Energy from made-up counters and sensors, and the plain words where there are none."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from synthetic import Time

from tinytorch.opt.benchmarking import Clock
from tinytorch.opt.energy import Pmic, Rapl, energy_of, find_meter, in_joules, rail_watts

# the form in which a Raspberry Pi 5 prints it; two of its twelve rails, and two voltages alone
SENSOR = """
 3V7_WL_SW_A current(0)=0.10000000A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
  VDD_CORE_V volt(15)=0.75000000V
     EXT5V_V volt(24)=5.15000000V
      BATT_V volt(25)=0.00000000V
"""


def zone(root: Path, folder: str, name: str, energy: int, most: int = 1_000_000) -> Path:
    path = root / "sys/class/powercap" / folder
    path.mkdir(parents=True)
    (path / "name").write_text(name + "\n")
    (path / "max_energy_range_uj").write_text(f"{most}\n")
    (path / "energy_uj").write_text(f"{energy}\n")
    return path


def test_counters_of_packages_and_memory_add_up_and_nothing_counts_twice(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 200)
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 300),  # part of the package
        zone(tmp_path, "intel-rapl:1", "psys", 400),  # holds the package
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100),  # the same counter, another way
    ]
    meter = find_meter(tmp_path)
    assert isinstance(meter, Rapl)
    assert meter.source == "RAPL: package-0, dram"
    meter.start()
    (package / "energy_uj").write_text("250100")
    (memory / "energy_uj").write_text("50200")
    for other in others:
        (other / "energy_uj").write_text("900000")
    assert meter.stop() == pytest.approx(0.3)


def test_a_counter_that_began_again_is_carried_on(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 990_000)
    meter = find_meter(tmp_path)
    assert not isinstance(meter, str)
    meter.start()
    (package / "energy_uj").write_text("20000")  # of a range of 1,000,000
    assert meter.stop() == pytest.approx(0.03)


def test_a_call_costs_what_was_counted_divided_by_the_calls(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    time = Time()

    def program() -> None:
        time.now += 0.1
        counted = int((package / "energy_uj").read_text())
        (package / "energy_uj").write_text(str((counted + 500_000) % 1_000_000))

    meter = Rapl([package])
    found = energy_of(program, min_seconds=0.05, meter=meter, clock=time.clock)
    assert found.calls == 1
    assert found.joules == pytest.approx(0.5)
    assert found.watts == pytest.approx(5)
    assert str(found) == "500 mJ a call (5 W, RAPL: package-0)"


def test_the_rails_of_a_pi_are_current_times_voltage() -> None:
    assert rail_watts(SENSOR) == pytest.approx(0.1 * 3.7 + 2 * 0.75)
    assert rail_watts("") == 0


def test_readings_of_the_rails_are_added_up_over_time() -> None:
    watts = iter([1.0, 3.0])
    now = iter([10.0, 14.0])
    meter = Pmic(
        lambda: f"X_A current(0)={next(watts)}A X_V volt(1)=1.0V",
        interval=1000,
        clock=Clock(wall=lambda: next(now)),
    )
    meter.start()
    assert meter.stop() == pytest.approx(8)  # 2 W on average, for 4 s
    assert meter.readings == [(10.0, 1.0), (14.0, 3.0)]


def test_the_rails_are_read_while_the_program_runs() -> None:
    meter = Pmic(lambda: SENSOR, interval=1e-3)
    meter.start()
    while len(meter.readings) < 5:
        pass
    assert meter.stop() > 0
    assert not meter._reader.is_alive()


def test_a_pi_5_is_found_by_what_its_sensor_says(tmp_path: Path) -> None:
    assert isinstance(find_meter(tmp_path, ask=lambda: SENSOR), Pmic)

    def older() -> str:
        raise subprocess.CalledProcessError(255, "vcgencmd")

    for ask in (older, lambda: "error=1 error_msg='Command not registered'"):
        assert isinstance(find_meter(tmp_path, ask), str)


def test_a_machine_without_a_meter_says_not_measured_and_why(tmp_path: Path) -> None:
    reason = find_meter(tmp_path, ask=lambda: "")
    found = energy_of(print, meter=reason)
    assert found.joules is None
    assert str(found).startswith("not measured: this machine shows no energy counter")
    assert json.loads(json.dumps(found.record()))["joules"] is None


def test_a_counter_that_only_root_may_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    read = Path.read_text

    def refuse(self: Path, *how: str) -> str:
        if self == package / "energy_uj":
            raise PermissionError(13, os.strerror(13))
        return read(self, *how)

    monkeypatch.setattr(Path, "read_text", refuse)
    reason = find_meter(tmp_path)
    assert isinstance(reason, str)
    assert "only root may read it" in reason


def test_a_meter_is_stopped_when_the_program_fails() -> None:
    meter = Pmic(lambda: SENSOR, interval=1000)
    calls = iter([1, 0])
    with pytest.raises(ZeroDivisionError):
        energy_of(lambda: 1 / next(calls), meter=meter)
    assert not meter._reader.is_alive()


@pytest.mark.parametrize(
    ("joules", "text"), [(2.5, "2.5 J"), (1e-3, "1 mJ"), (4.2e-5, "42 uJ"), (5e-9, "5 nJ")]
)
def test_joules_have_a_unit(joules: float, text: str) -> None:
    assert in_joules(joules) == text
