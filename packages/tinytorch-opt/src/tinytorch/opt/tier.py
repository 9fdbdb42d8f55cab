"""What the optimization tier brings to the course: modules 14-19, commands and a milestone.

Facts only, and no NumPy: `tito` lists from here, and imports a command when it is used.
"""

from tinytorch.course.tiers import CourseModule, Tier

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
)
