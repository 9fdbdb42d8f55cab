"""What the architecture tier brings to the course: modules 09-13, milestones and checkpoints.

Facts only, and no NumPy: `tito` lists from here, and imports a milestone when it is run.
"""

from tinytorch.course.tiers import Checkpoint, CourseModule, Milestone, Tier

CONVOLUTION = Milestone(
    year="1998",
    name="convolution",
    title="Convolutions read digits and see photographs",
    gate="98.5 % of MNIST's test digits, 75 % of CIFAR-10's test images; the goals: 99 and 80 %",
    module="tinytorch.arch.milestones.m1998",
    uses=("01", "02", "03", "04", "05", "06", "07", "08", "09"),
    aliases=("lenet",),
    data=("mnist", "cifar-10", "drawn"),
)

TRANSFORMER = Milestone(
    year="2017",
    name="transformer",
    title="Attention reverses, and a GPT writes",
    gate="every sequence reversed; a character of Shakespeare costs 1.75 nats; the goal is 1.55",
    module="tinytorch.arch.milestones.m2017",
    uses=("01", "02", "03", "04", "05", "06", "07", "08", "10", "11", "12", "13"),
    data=("tinyshakespeare", "almanac"),
)

CAPABILITIES = "tinytorch.arch.capabilities"
CHECKPOINTS = (
    Checkpoint(
        "10",
        "A CNN sees",
        "Can I build a network that recognises a thing wherever it stands?",
        ("01", "02", "03", "04", "06", "07", "09"),
        f"{CAPABILITIES}.check_10_images",
    ),
    Checkpoint(
        "11",
        "Any string goes in and comes out",
        "Can I make vectors of any text, and text of tokens again?",
        ("01", "03", "04", "06", "07", "10", "11"),
        f"{CAPABILITIES}.check_11_text",
    ),
    Checkpoint(
        "12",
        "Attention routes",
        "Can I let each position take what it needs from any other?",
        ("01", "03", "04", "06", "07", "11", "12"),
        f"{CAPABILITIES}.check_12_attention",
    ),
    Checkpoint(
        "13",
        "A transformer writes",
        "Can I train a model that continues a text?",
        ("01", "02", "03", "04", "06", "07", "10", "11", "12", "13"),
        f"{CAPABILITIES}.check_13_writing",
    ),
)

TIER = Tier(
    name="arch",
    distribution="tinytorch-arch",
    title="architectures: from pixels and text to convolutions and transformers",
    modules=(
        CourseModule("09", "Convolutions", "tinytorch.arch.convolutions"),
        CourseModule("10", "Tokenization", "tinytorch.arch.tokenization"),
        CourseModule("11", "Embeddings", "tinytorch.arch.embeddings"),
        CourseModule("12", "Attention", "tinytorch.arch.attention"),
        CourseModule("13", "Transformers", "tinytorch.arch.transformers"),
    ),
    milestones=(CONVOLUTION, TRANSFORMER),
    checkpoints=CHECKPOINTS,
)
