"""`tito profile`: where the time and the memory of a model go, on this machine.

Left out: which models there are (`choosing_models.py`), and what is measured (`profiling.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

if TYPE_CHECKING:
    from tinytorch.core.layers import Module
    from tinytorch.core.tensor import Tensor
    from tinytorch.opt.profiling import Profiler
    from tinytorch.opt.roofline import Machine
    from tinytorch.tito.screen import Screen

SORTS = "time", "total", "calls", "flops", "bytes", "memory", "name", "order"
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("model")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Examples.")
@click.option("--input", "shape", metavar="SIZES", help="The shape of one example: 1,28,28.")
@click.option("--backward", is_flag=True, help="Gradients, too, in training mode.")
@click.option(
    "--by",
    default="primitive",
    show_default=True,
    type=click.Choice(["primitive", "layer"]),
    help="What a row is.",
)
@click.option("--sort", type=click.Choice(SORTS), help="Default: time; for layers their order.")
@click.option("--limit", type=click.IntRange(1), help="Rows, at most.")
@click.option(
    "--repeats",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Runs; of each call the median is shown.",
)
@click.option("--kernels", default="fast", show_default=True, metavar="SET", help="plain or fast.")
@click.option("--trace", type=FILE, metavar="FILE", help="Write a Chrome trace (JSON).")
@click.option(
    "--roofline",
    type=FILE,
    metavar="FILE",
    help="Measure this machine and draw its roofline: .png, .svg or .pdf; - prints it.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profile(
    model: str,
    batch: int,
    shape: str | None,
    backward: bool,
    by: str,
    sort: str | None,
    limit: int | None,
    repeats: int,
    kernels: str,
    trace: Path | None,
    roofline: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Time MODEL, count its operations and bytes, and follow its memory.

    MODEL is lenet5, resnet8, chargpt, ... or a class in a file of yours: my_model.py:Net with
    --input. @FILE.safetensors gives it weights. Its input is drawn at random: what it costs does
    not depend on that. One run before the measured ones warms up.

    Matrix products use one thread; OMP_NUM_THREADS=2 in the environment asks for two.
    """
    one_thread()
    from tinytorch.core.context import use
    from tinytorch.opt.choosing_models import ChoiceError, example_input, model_named, shape_from
    from tinytorch.opt.repeated_profile import median_run, profile_runs, typical
    from tinytorch.tito.screen import Screen

    _require_places(trace, roofline)
    try:
        net, size = model_named(model, shape_from(shape) if shape else None)
    except ChoiceError as error:
        raise click.UsageError(str(error)) from None
    net.train(backward)
    x = example_input(net, size, batch, seed)
    try:
        chosen = use(kernels)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with chosen:
        runs = profile_runs(lambda: once(net, x, backward), net, repeats=repeats)
    profiler = typical(runs)
    screen = Screen(quiet=as_json)
    if trace is not None:
        from tinytorch.opt.chrome_trace import write_trace

        write_trace(median_run(runs), trace)
    machine = None
    if roofline is not None:
        from tinytorch.opt.roofline import measure_machine

        machine = measure_machine()
    about = facts(model, net, x, backward, kernels, repeats)
    if as_json:
        emit(record(profiler, about, by, sort, limit, machine))
    else:
        show(screen, profiler, about, by, sort, limit)
    if trace is not None:
        screen.say(f"Trace: {trace}. Open it in chrome://tracing or ui.perfetto.dev.")
    if roofline is not None and machine is not None:
        draw(screen, roofline, machine, profiler, by)


def once(net: Module, x: Tensor, backward: bool) -> None:
    """One forward pass, and with `backward` one back from ones for each number it returned."""
    import numpy as np

    from tinytorch.core.context import no_grad
    from tinytorch.core.tensor import Tensor

    if not backward:
        with no_grad():
            net(x)
        return
    for parameter in net.parameters():
        parameter.grad = None
    y = net(x)
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise click.ClickException(
            f"--backward needs a model that returns one tensor with a gradient; "
            f"{type(net).__name__} returned {type(y).__name__}"
        )
    y.backward(np.ones_like(y.data))


def facts(
    name: str, net: Module, x: Tensor, backward: bool, kernels: str, repeats: int
) -> dict[str, Any]:
    """What was measured, for the heading and for JSON."""
    from tinytorch.opt.environment import blas_threads, cores

    return {
        "model": name,
        "class": type(net).__name__,
        "parameters": net.num_parameters(),
        "input": list(x.shape),
        "backward": backward,
        "kernels": kernels,
        "threads": blas_threads() or cores(),
        "repeats": repeats,
    }


def show(
    screen: Screen,
    profiler: Profiler,
    about: dict[str, Any],
    by: str,
    sort: str | None,
    limit: int | None,
) -> None:
    """Write heading, table and sums."""
    from tinytorch.opt.profile_table import grid, summary

    what = "forward and backward" if about["backward"] else "forward, without gradients"
    threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
    runs = "one run" if about["repeats"] == 1 else f"medians of {about['repeats']} runs"
    screen.say(
        f"{about['class']}, {about['parameters']:,} parameters, input "
        f"{'x'.join(map(str, about['input']))}: {what}; {runs}, {about['kernels']} kernels, "
        f"{threads}."
    )
    if whose := own_modules():
        screen.say(whose)
    screen.line()
    heading, *rows = grid(profiler, by, sort, limit, screen.columns)
    screen.table(heading, rows, right=range(1, len(heading)))
    screen.line()
    for line in summary(profiler):
        screen.say(line)


def own_modules() -> str:
    """Which of the course's modules at work are the student's, or "" where none is."""
    from tinytorch.core.milestones.provenance import provenance, sentence
    from tinytorch.course.tiers import tiers

    loaded = [
        module.number for tier in tiers() for module in tier.modules if module.module in sys.modules
    ]
    own = provenance(loaded)
    return f"At work: {sentence(own)}." if any(own.values()) else ""


def draw(screen: Screen, path: Path, machine: Machine, profiler: Profiler, by: str) -> None:
    """Draw the roofline into a file, or print it."""
    from tinytorch.opt.roofline import as_text, points, save_roofline

    found = points(profiler, by)
    if str(path) != "-":
        if save_roofline(path, machine, found) is not None:
            screen.say(f"Roofline: {path}. {machine.describe()}.")
            return
        screen.notice(
            f"{path} was not drawn: matplotlib is not installed. "
            "python -m pip install 'tinytorch-opt[plots]'. As text:"
        )
    screen.line()
    for line in as_text(machine, found, min(screen.width, 72)).splitlines():
        screen.line(line)


def record(
    profiler: Profiler,
    about: dict[str, Any],
    by: str,
    sort: str | None,
    limit: int | None,
    machine: Machine | None,
) -> dict[str, Any]:
    """Everything as JSON has it. Costs that nobody knows are null."""
    rows = []
    for row in profiler.rows(by, sort)[:limit]:
        costs = {"flops": row.flops, "other": row.other, "bytes": row.bytes}
        rows.append(
            {
                "name": row.name,
                "self_ns": row.self_time,
                "total_ns": row.total,
                "forward_ns": row.forward,
                "backward_ns": row.backward,
                "calls": row.calls,
                "gradient_rules": row.rules,
                **{name: value if row.known else None for name, value in costs.items()},
                "of_unknown_cost": row.unknown,
                "made_bytes": row.made,
                "peak_bytes": row.peak,
            }
        )
    answer = {
        **about,
        "time_ns": profiler.time,
        "in_primitives_ns": profiler.in_primitives,
        "profiler_ns": profiler.own_time,
        "events": len(profiler.events),
        "peak_bytes": profiler.memory.peak,
        "given_bytes": profiler.memory.given_peak,
        "by": by,
        "rows": rows,
    }
    if machine is not None:
        from tinytorch.opt.roofline import points

        answer["machine"] = machine._asdict()
        answer["points"] = [point._asdict() for point in points(profiler, by)]
    return answer


def _require_places(trace: Path | None, roofline: Path | None) -> None:
    """Raise a usage error before anything is measured for a file that cannot be written."""
    for path in (trace, roofline):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {path.parent} to write it in")
    kinds = (".png", ".svg", ".pdf")
    if roofline is not None and str(roofline) != "-" and roofline.suffix.lower() not in kinds:
        raise click.UsageError(f"--roofline {roofline}: a picture ends in .png, .svg or .pdf")
