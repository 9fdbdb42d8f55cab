"""What the architecture tier brings to the course: modules 09-13 and their milestones.

Facts only, and no NumPy: `tito` lists from here, and imports a milestone when it is run.
"""

from tinytorch.course.tiers import CourseModule, Tier

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
    milestones=(),
)
