"""`tito bench`: how fast, how large and how right models are, on this machine.

Left out: which models there are (`choosing_models.py`), and what is measured (`bench_models.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

if TYPE_CHECKING:
    from tinytorch.opt.bench_models import Against, Candidate, Measured
    from tinytorch.opt.environment import Environment
    from tinytorch.opt.scenarios import Score
    from tinytorch.tito.screen import Screen

SCENARIOS = "single-stream", "multi-stream", "server", "offline"
WAITED = 0.9  # CPU time over wall time: below that, a model waited for other programs
SETS = "mnist", "fashion-mnist", "cifar-10", "drawn"


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--batch", type=click.IntRange(1), help="Examples at a time. Default: 1.")
@click.option("--input", "shape", metavar="SIZES", help="The shape of one example: 1,28,28.")
@click.option("--against", metavar="MODEL", help="Compare the others with this one, in pairs.")
@click.option(
    "--data", type=click.Choice(SETS), help="Test images and labels: accuracy is measured, too."
)
@click.option(
    "--scenario", type=click.Choice(SCENARIOS), help="Ask as MLPerf does (its style, unofficial)."
)
@click.option(
    "--bound",
    default=100.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Of a server's p99, in ms.",
)
@click.option(
    "--repeats", default=30, show_default=True, type=click.IntRange(2), help="Samples, at least."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    help="Of each measurement, at least. Default: 1; of a scenario 10, of a server's rate 2.",
)
@click.option("--kernels", default="fast", show_default=True, metavar="SET", help="plain or fast.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all draws.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write JSON, every single time in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--samples", is_flag=True, help="With --json: every single time in it.")
def bench(
    models: tuple[str, ...],
    batch: int | None,
    shape: str | None,
    against: str | None,
    data: str | None,
    scenario: str | None,
    bound: float,
    repeats: int,
    seconds: float | None,
    kernels: str,
    seed: int,
    out: Path | None,
    as_json: bool,
    samples: bool,
) -> None:
    """Measure MODELS: latency with its interval, bytes, memory, accuracy, energy.

    A model given twice, or --against itself, is measured twice: that shows what chance does.

    MODEL is lenet5, resnet8, chargpt, ... or a class in a file of yours: my_model.py:Net with
    --input. @FILE.safetensors gives it weights. Without --data the input is drawn at random.

    Peak memory is all that one call holds at once, Python's objects and what kernels take for a
    while among it; `tito profile` and a budget count results alone, and show less.

    Matrix products use one thread; OMP_NUM_THREADS=2 in the environment asks for two.
    """
    one_thread()
    from tinytorch.core.context import use
    from tinytorch.opt import bench_models
    from tinytorch.opt.choosing_models import ChoiceError, shape_from
    from tinytorch.opt.environment import environment
    from tinytorch.tito.screen import Screen

    _require_sense(scenario, against, batch, out)
    if samples and not as_json:
        raise click.UsageError("--samples is about --json: give both, or --out FILE, which has all")
    names = bench_models.names_of(models, against)
    here = environment()  # before the measurements are what keeps it busy
    screen = Screen(quiet=as_json)
    images = bench_models.DATA[data]() if data else None
    try:
        size = shape_from(shape) if shape else None
        ready = [
            bench_models.candidate(name, size, 1 if scenario else batch or 1, images, seed)
            for name in names
        ]
        ready = bench_models.with_short_names(ready)
    except ChoiceError as error:
        raise click.UsageError(str(error)) from None
    try:
        chosen = use(kernels)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    show_machine(screen, here)
    content: dict[str, Any] = {
        "command": "tito bench " + " ".join(sys.argv[2:]) if sys.argv[1:2] == ["bench"] else None,
        "environment": here.record(),
        "settings": {
            "kernels": kernels,
            "seed": seed,
            "repeats": repeats,
            "seconds": seconds,
            "batch": batch,
            "data": data,
            "against": against,
            "scenario": scenario,
            "bound_ms": bound if scenario == "server" else None,
        },
    }
    printed: dict[str, Any] = {}  # what is shorter on a screen than in a file
    with chosen:
        if scenario:
            size_at_once = batch or (32 if scenario == "offline" else 1)
            scores = [
                bench_models.run_scenario(
                    scenario, one, bound=bound / 1e3, batch=size_at_once, seconds=seconds, seed=seed
                )
                for one in ready
            ]
            accuracies = [one.accuracy() for one in ready]
            content["models"] = [
                {**one.facts(), **score.record(), "accuracy": accuracy}
                for one, score, accuracy in zip(ready, scores, accuracies, strict=True)
            ]
            show_scenario(screen, ready, scores, accuracies)
        else:
            length = 1.0 if seconds is None else seconds
            found = [bench_models.measured(one, repeats, length, seed) for one in ready]
            pairs = (
                bench_models.compared(ready[0], ready[1:], repeats, length, seed) if against else []
            )
            front = bench_models.front_of(found)
            content["models"] = [one.record() for one in found]
            content["comparisons"] = [pair.record() for pair in pairs]
            if not samples:
                printed["models"] = [one.record(samples=False) for one in found]
                printed["comparisons"] = [pair.record(samples=False) for pair in pairs]
            content["pareto_front"] = list(front.front) if front else None
            show(screen, found, pairs)
            if front:
                screen.say(f"On the Pareto front of {', '.join(front.better)}: " + _listed(front))
    if out is not None:
        from tinytorch.core.files import write_atomically

        write_atomically(out, json.dumps(content, indent=1) + "\n")
        screen.say(f"Written: {out}")
    if as_json:
        emit({**content, **printed})


def show_machine(screen: Screen, here: Environment) -> None:
    """Say on what is measured, and what speaks against doing it now, before it takes its time."""
    from tinytorch.opt.profile_command import own_modules

    screen.say(here.line() + ".", "dim")
    for warning in here.warnings:
        screen.notice(f"Careful: {warning}.")
    if whose := own_modules():
        screen.say(whose)
    screen.line()


def show(screen: Screen, found: Sequence[Measured], pairs: Sequence[Against]) -> None:
    """Write the table of models, what to know of single rows, and the comparisons."""
    from tinytorch.core.measurement import in_bytes, in_seconds
    from tinytorch.opt.benchmarking import too_few
    from tinytorch.opt.energy import in_joules

    measured = found[0].energy.joules is not None
    judged = found[0].accuracy is not None
    headers = ["model", "p50", "95 % interval", "p90", "p99", "weights", "peak memory"]
    headers += ["accuracy"] * judged + ["energy"] * measured
    rows = []
    for each in found:
        b = each.latency
        row = [
            each.candidate.name,
            in_seconds(b.median),
            " to ".join(in_seconds(bound) for bound in b.interval),
            in_seconds(b.p90),
            in_seconds(b.p99),
            in_bytes(each.candidate.weight_bytes),
            in_bytes(each.peak_bytes),
        ]
        row += [_percent(each.accuracy)] * judged
        row += [in_joules(each.energy.joules or 0.0)] * measured
        rows.append(row)
    screen.table(headers, rows, right=range(1, len(headers)))
    screen.line()
    for each in found:
        b, one = each.latency, each.candidate
        calls = f" of {b.calls} calls" if b.calls > 1 else ""
        outliers = f"{len(b.outliers)} outlier{'s' * (len(b.outliers) != 1)}"
        screen.say(
            f"{one.name}: batch {'x'.join(map(str, one.x.shape))}, {len(b.wall)} samples{calls} "
            f"after {b.warm_up} to warm up, {outliers} kept, CPU/wall "
            f"{b.cpu_share:.2f}" + (", weights drawn at random" if one.untrained else "")
        )
        if few := too_few(len(b.wall), b.confidence):
            screen.notice(f"{one.name}: {few}.")
        if not b.steady:
            screen.notice(f"{one.name} was still getting faster when its warm-up ended.")
        if b.cpu_share < WAITED:
            screen.notice(
                f"{one.name} {_waited(b.cpu_share)}: other programs ran, and p90 and p99 are "
                "theirs as well."
            )
    screen.say("Intervals are within this run: the median of another one may lie outside.")
    if not measured:
        screen.say(f"Energy: {found[0].energy}.")
    for pair in pairs:
        screen.say(f"{pair.new} against {pair.old}: {pair.verdict}.", "bold")


def show_scenario(
    screen: Screen,
    ready: Sequence[Candidate],
    scores: Sequence[Score],
    accuracies: Sequence[float | None],
) -> None:
    """Write one line a model, and in which way it was asked."""
    from tinytorch.opt.scenarios import STYLE

    score = scores[0]
    rows = [
        [
            one.name,
            score.shown(score.value),
            " to ".join(map(score.shown, score.interval)) if score.interval else "",
            f"{score.samples:,}",
            f"{score.cpu_share:.2f}" if score.cpu_share is not None else "",
            _percent(accuracy) if accuracy is not None else "",
        ]
        for one, score, accuracy in zip(ready, scores, accuracies, strict=True)
    ]
    headers = ["model", score.metric, "95 % interval", "samples", "CPU/wall", "accuracy"]
    kept = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    screen.line(f"{score.scenario} ({STYLE})", "bold")
    screen.table(
        [headers[i] for i in kept],
        [[row[i] for i in kept] for row in rows],
        right=range(1, len(kept)),
    )
    for one, found in zip(ready, scores, strict=True):
        about = f"{found.at_once} at a time"
        if found.scenario in ("Offline", "Server"):
            about += " at most" * (found.scenario == "Server") + ", as --batch says"
        if found.failed is not None:
            about += (
                f"; {found.shown(found.value)} a second held and {found.shown(found.failed)} did "
                "not: a search found it, so there is no interval"
            )
        screen.say(f"{one.name}: {about}" + (", weights drawn at random." * one.untrained or "."))
        if found.cpu_share is not None and found.cpu_share < WAITED:
            screen.notice(
                f"{one.name} {_waited(found.cpu_share)}: other programs ran, and "
                "the result is theirs as well."
            )
    if score.interval:
        screen.say("Intervals are within this run: the result of another may lie outside.")


def _waited(share: float) -> str:
    return f"had the processor for {100 * share:.0f} % of the time only"


def _listed(front: Any) -> str:
    beaten = [f"{name} is beaten by {', '.join(by)}" for name, by in front.dominated.items()]
    return "; ".join([", ".join(front.front), *beaten]) + "."


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _require_sense(
    scenario: str | None, against: str | None, batch: int | None, out: Path | None
) -> None:
    """Raise a usage error before anything is measured."""
    if scenario and against:
        raise click.UsageError(
            "--against compares latencies: leave --scenario out, or run it twice"
        )
    if scenario in ("single-stream", "multi-stream") and batch is not None:
        width = 1 if scenario == "single-stream" else 8
        raise click.UsageError(f"--scenario {scenario} asks {width} at a time: leave --batch out")
    if out is not None and not out.resolve().parent.is_dir():
        raise click.UsageError(f"{out}: there is no folder {out.parent} to write it in")
