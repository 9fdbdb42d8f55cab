"""What the core tier brings to the course: modules 01-08 and the milestones they make possible.

Facts only, and no NumPy: `tito` lists from here, and imports a milestone when it is run.
"""

from tinytorch.course.tiers import CourseModule, Milestone, Tier

PERCEPTRON = Milestone(
    year="1958",
    name="perceptron",
    title="The perceptron learns",
    gate="100 % on separable points, and never on XOR",
    module="tinytorch.core.milestones.m1958",
    uses=("01", "03"),
    aliases=("1957",),
)

XOR = Milestone(
    year="1969",
    name="xor",
    title="XOR needs a hidden layer",
    gate="a hidden layer solves XOR from each of 100 seeds",
    module="tinytorch.core.milestones.m1969",
    uses=("01", "02", "03", "04", "06", "07"),
)

BACKPROPAGATION = Milestone(
    year="1986",
    name="backpropagation",
    title="Back-propagation reads digits",
    gate="95 % of MNIST's test digits; the goal is 98 %",
    module="tinytorch.core.milestones.m1986",
    uses=("01", "02", "03", "04", "05", "06", "07", "08"),
    data=("mnist", "drawn"),
)

TIER = Tier(
    name="core",
    distribution="tinytorch-core",
    title="the framework: from a tensor to a network that trains",
    modules=(
        CourseModule("01", "Tensor", "tinytorch.core.tensor"),
        CourseModule("02", "Activations", "tinytorch.core.activations"),
        CourseModule("03", "Layers", "tinytorch.core.layers"),
        CourseModule("04", "Losses", "tinytorch.core.losses"),
        CourseModule("05", "Data", "tinytorch.core.dataloader"),
        CourseModule("06", "Autograd", "tinytorch.core.autograd"),
        CourseModule("07", "Optimizers", "tinytorch.core.optimizers"),
        CourseModule("08", "Training", "tinytorch.core.training"),
    ),
    milestones=(PERCEPTRON, XOR, BACKPROPAGATION),
)
