"""What the core tier brings to the course: modules 01-08, their milestones and checkpoints.

Facts only, and no NumPy: `tito` lists from here, and imports a milestone when it is run.
"""

from tinytorch.course.tiers import Checkpoint, CourseModule, Milestone, Tier

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

CAPABILITIES = "tinytorch.core.capabilities"
CHECKPOINTS = (
    Checkpoint(
        "1",
        "My tools work",
        "Can I run what I write: Python, NumPy, files, data and this workspace?",
        (),
        f"{CAPABILITIES}.check_1_tools",
    ),
    Checkpoint(
        "2",
        "Tensors store and transform data",
        "Can I take pictures through a whole preparation with tensors alone?",
        ("01",),
        f"{CAPABILITIES}.check_2_tensors",
    ),
    Checkpoint(
        "3",
        "Non-linearity",
        "Can I compute what no straight line can?",
        ("01", "02"),
        f"{CAPABILITIES}.check_3_nonlinearity",
    ),
    Checkpoint(
        "4",
        "Layers compose",
        "Can I build a network of parts, and save it, load it and count it?",
        ("01", "02", "03"),
        f"{CAPABILITIES}.check_4_layers",
    ),
    Checkpoint(
        "5",
        "Predictions are scored",
        "Can I say how wrong a network is, in one number that can be trusted?",
        ("01", "02", "03", "04"),
        f"{CAPABILITIES}.check_5_losses",
    ),
    Checkpoint(
        "6",
        "Data arrive in batches",
        "Can I feed a data set of any size, each example once and in any order?",
        ("01", "02", "03", "04", "05"),
        f"{CAPABILITIES}.check_6_batches",
    ),
    Checkpoint(
        "7",
        "Any program has a gradient",
        "Can I differentiate whatever I can compute?",
        ("01", "02", "03", "04", "06"),
        f"{CAPABILITIES}.check_7_gradients",
    ),
    Checkpoint(
        "8",
        "Gradients lead downhill",
        "Can I follow a gradient to where a model fits its data?",
        ("01", "02", "03", "04", "06", "07"),
        f"{CAPABILITIES}.check_8_descent",
    ),
    Checkpoint(
        "9",
        "An MLP reads digits",
        "Can I train a network that reads digits it has never seen?",
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        f"{CAPABILITIES}.check_9_digits",
    ),
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
    checkpoints=CHECKPOINTS,
)
