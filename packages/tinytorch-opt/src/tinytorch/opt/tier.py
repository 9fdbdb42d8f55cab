"""What the optimization tier brings to the course: modules 14-19, commands, milestone, checkpoints.

Facts only, and no NumPy: `tito` lists from here, and imports a command when it is used.
"""

from tinytorch.course.tiers import Checkpoint, Command, CourseModule, Milestone, Tier

MLPERF = Milestone(
    year="2018",
    name="mlperf",
    title="Small, fast and right are measured by common rules",
    gate="a quarter of the bytes, a tenth when packed; half a point of accuracy; p99 of 100 ms",
    module="tinytorch.opt.milestones.m2018",
    uses=tuple(f"{number:02}" for number in range(1, 20)),
    aliases=("2024",),
    data=("drawn",),
)

CAPABILITIES = "tinytorch.opt.capabilities"
CHECKPOINTS = (
    Checkpoint(
        "14",
        "I know where time and memory go",
        "Can I say where the time and the memory of a program go?",
        ("01", "02", "03", "04", "06", "09", "11", "12", "13", "14"),
        f"{CAPABILITIES}.check_14_time_and_memory",
    ),
    Checkpoint(
        "15",
        "A model shrinks and still works",
        "Can I make a model a quarter of its size, and less, that answers as well?",
        ("01", "02", "03", "04", "06", "07", "08", "09", "15", "16"),
        f"{CAPABILITIES}.check_15_small_models",
    ),
)

TIER = Tier(
    name="opt",
    distribution="tinytorch-opt",
    title="optimization: measure a model, then make it smaller and faster",
    modules=(
        CourseModule("14", "Profiling", "tinytorch.opt.profiling"),
        CourseModule("15", "Quantization", "tinytorch.opt.quantization"),
        CourseModule("16", "Compression", "tinytorch.opt.compression"),
        CourseModule("17", "Acceleration", "tinytorch.opt.acceleration"),
        CourseModule("18", "Memoization", "tinytorch.opt.memoization"),
        CourseModule("19", "Benchmarking", "tinytorch.opt.benchmarking"),
    ),
    milestones=(MLPERF,),
    checkpoints=CHECKPOINTS,
    commands=(
        Command(
            "profile",
            "Where the time and memory of a model go.",
            "tinytorch.opt.profile_command:profile",
        ),
        Command("bench", "Measure a model fairly.", "tinytorch.opt.bench_command:bench"),
        Command("export", "A model as an ONNX file.", "tinytorch.opt.export_command:export"),
        Command("run", "Ask an exported file about pictures.", "tinytorch.opt.run_command:run"),
    ),
)
