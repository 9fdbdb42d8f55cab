"""Tiers by entry point: those of others join in, and none of them can stop tito."""

import dataclasses
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from tito_shell import pretend_installed, tito

from tinytorch.core.tier import TIER
from tinytorch.course.tiers import GROUP, CourseModule, Tier, find_tiers, milestones, tiers
from tinytorch.tito import milestone

PACK = '''
import click
from tinytorch.course.tiers import Command, CourseModule, Milestone, Tier

TIER = Tier(
    name="harbour",
    distribution="harbour-pack",
    title="boats and tides",
    modules=(CourseModule("21", "Tides", "harbour"),),
    milestones=(
        Milestone("1872", "tides", "A machine foretells the tides", "", "harbour", ("21",)),
    ),
    commands=(
        Command("tide", "High water at noon.", "harbour:tide"),
        Command("doctor", "Not this one.", "harbour:tide"),
    ),
)

@click.command()
def tide():
    """High water at noon."""
    print("high water")
'''


def announce(folder: Path, target: str) -> str:
    """Pretend that a distribution announces `target` as a tier; return a PYTHONPATH."""
    points = f"[{GROUP}]\nharbour = {target}\n"
    pretend_installed(folder, "harbour-pack", "1.0", entry_points_txt=points)
    return str(folder)


def test_core_is_always_there_and_holds_modules_1_to_8() -> None:
    assert tiers()[0] is TIER
    assert [module.number for module in TIER.modules] == [f"{i:02}" for i in range(1, 9)]


def test_milestones_of_a_tier_that_is_not_installed_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(milestone, "tiers", lambda: (TIER,))
    core_alone = {entry.year: entry for entry in TIER.milestones}
    monkeypatch.setattr(milestone, "milestones", lambda: core_alone)
    for wanted, year in (("1998", "1998"), ("LeNet", "1998"), ("transformer", "2017")):
        words = f"^{year} is in tinytorch-arch, which is not installed: install tinytorch-arch from"
        with pytest.raises(click.UsageError, match=words):
            milestone.find(wanted)
    with pytest.raises(click.UsageError, match="Did you mean 1986"):
        milestone.find("1987")
    milestone.list_.callback(as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "1998 and 2017 are in tinytorch-arch, which is not installed: install tinyt" in said


def test_the_milestones_above_are_those_that_the_tiers_above_bring() -> None:
    here = {tier.distribution: tier for tier in tiers()}
    for distribution, years in milestone.ABOVE.items():
        if distribution in here:
            brought = here[distribution].milestones
            assert {m.year: tuple(m.names[1:]) for m in brought} == years


def test_a_setting_inside_another_is_named(tmp_path: Path) -> None:
    done = tito("milestone", "run", "1986", "--set", "lr=1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("Is it optimizer.lr?")


def test_a_tier_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TIER.name = "mine"  # type: ignore[misc]


def test_a_pack_of_somebody_else_brings_a_command_and_a_milestone(tmp_path: Path) -> None:
    (tmp_path / "harbour.py").write_text(PACK, "utf-8")
    path = announce(tmp_path, "harbour:TIER")
    assert tito("tide", cwd=tmp_path, PYTHONPATH=path).stdout == "high water\n"
    assert "High water at noon." in tito("--help", cwd=tmp_path, PYTHONPATH=path).stdout
    assert "foretells the tides" in tito("milestone", "list", cwd=tmp_path, PYTHONPATH=path).stdout
    assert "boats and tides" in tito(cwd=tmp_path, PYTHONPATH=path).stdout


def test_a_pack_cannot_take_the_name_of_a_command_of_tito(tmp_path: Path) -> None:
    (tmp_path / "harbour.py").write_text(PACK, "utf-8")
    path = announce(tmp_path, "harbour:TIER")
    assert "high water" not in tito("doctor", cwd=tmp_path, PYTHONPATH=path).stdout
    assert "Not this one." not in tito("--help", cwd=tmp_path, PYTHONPATH=path).stdout


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "No module named 'harbour'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("TIER = 7", "is a int, not a Tier"),
        ("from tinytorch.core.tier import TIER", "a tier called 'core' is there already"),
    ],
)
def test_a_tier_that_cannot_be_loaded_is_named_and_skipped(
    source: str | None, reason: str, tmp_path: Path
) -> None:
    if source is not None:
        (tmp_path / "harbour.py").write_text(source, "utf-8")
    path = announce(tmp_path, "harbour:TIER")
    alone = tito(cwd=tmp_path, PYTHONPATH=path)
    assert alone.returncode == 0, alone.stderr
    assert "harbour-pack: its tier 'harbour' is left out." in alone.stdout
    told = " ".join(alone.stdout.split())
    assert reason in told
    assert tito("milestone", "list", cwd=tmp_path, PYTHONPATH=path).returncode == 0
    doctor = tito("doctor", cwd=tmp_path, PYTHONPATH=path)
    assert doctor.returncode == 1
    assert "problem  the tier 'harbour' of harbour-pack is left out" in doctor.stdout


def test_ctrl_c_while_a_tier_loads_is_not_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "interrupted_pack.py").write_text("raise KeyboardInterrupt", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        find_tiers([EntryPoint("pack", "interrupted_pack:TIER", GROUP)])


def test_tiers_come_in_the_order_of_their_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Tier("late", "late", "", modules=(CourseModule("30", "", ""),))
    early = Tier("early", "early", "", modules=(CourseModule("00", "", ""),))
    monkeypatch.setattr("tinytorch.core.tier.LATE", late, raising=False)
    monkeypatch.setattr("tinytorch.core.tier.EARLY", early, raising=False)
    points = [EntryPoint(n, f"tinytorch.core.tier:{n}", GROUP) for n in ("LATE", "EARLY")]
    assert [tier.name for tier in find_tiers(points).tiers] == ["early", "core", "late"]


def test_milestones_are_known_by_year_and_sorted() -> None:
    assert list(milestones()) == sorted(milestones())
    assert {"1958", "1969", "1986"} <= set(milestones())
