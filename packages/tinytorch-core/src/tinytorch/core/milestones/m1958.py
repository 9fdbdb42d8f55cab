"""1958: Rosenblatt's perceptron, by his own rule. There is no loss here and no gradient.

Left out: the photocells and the random wiring of his machine; the points come as two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.milestones.plots import plane
from tinytorch.core.tier import PERCEPTRON
from tinytorch.datasets import XOR, Blobs, PointDataset
from tinytorch.nn import Linear

HISTORY = (
    "A machine that learns from its mistakes: it weighs what it sees, fires or does not, and moves "
    "its weights only when it was wrong. If a line can separate the two classes, it finds one "
    "after finitely many corrections (Novikoff, 1962); if none can, it never comes to rest. "
    "F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization "
    "in the brain, Psychological Review 65, 1958; the report that announced it is of 1957."
)


@dataclass(frozen=True)
class Recipe:
    """How much there is to learn."""

    problems: int = 20  # pairs of clouds
    points: int = 200  # in each
    passes: int = 1000  # over the points, at most


RECIPES = {"quick": Recipe(problems=5), "full": Recipe()}


class Perceptron:
    """Two inputs, a weight for each, a threshold: it fires, or it does not."""

    def __init__(self) -> None:
        self.layer = Linear(2, 1)
        self.layer.weight.data = np.zeros((2, 1), np.float32)
        self.bias.data = np.zeros(1, np.float32)

    @property
    def bias(self) -> Tensor:
        assert self.layer.bias is not None
        return self.layer.bias

    def fires(self, x: Tensor) -> np.ndarray:
        """For each point of x (N, 2), whether the weighted sum is above zero: (N,)."""
        with no_grad():
            sums: np.ndarray = self.layer(x).data[:, 0]
        return sums > 0

    def correct(self, x: Tensor, wanted: bool) -> bool:
        """Rosenblatt's rule, for one point (1, 2): when wrong, and only then, move towards it."""
        fired = bool(self.fires(x)[0])
        if fired == wanted:
            return False
        direction = 1 if wanted else -1
        self.layer.weight.data += direction * x.data.T
        self.bias.data += direction
        return True

    def state(self) -> tuple[float, float, float]:
        """The weights and the bias."""
        (a, b), (c,) = self.layer.weight.data[:, 0].tolist(), self.bias.data.tolist()
        return a, b, c


@dataclass
class Lesson:
    """What learning one problem came to."""

    perceptron: Perceptron
    mistakes: list[int]  # in each pass
    accuracy: float
    best: float  # the highest accuracy after any pass
    repeats: int | None = None  # the pass whose weights came back: from there it goes in circles


def learn(problem: PointDataset, passes: int) -> Lesson:
    """Show all points again and again, until a pass without a mistake or a state seen before."""
    perceptron = Perceptron()
    points = [Tensor(problem.x[i : i + 1]) for i in range(len(problem))]
    wanted = [bool(y) for y in problem.y]
    lesson = Lesson(perceptron, [], 0.0, 0.0)
    seen = {perceptron.state(): 0}
    everything = Tensor(problem.x)
    for number in range(1, passes + 1):
        pairs = zip(points, wanted, strict=True)
        lesson.mistakes.append(sum(perceptron.correct(x, y) for x, y in pairs))
        lesson.accuracy = float(np.mean(perceptron.fires(everything) == problem.y))
        lesson.best = max(lesson.best, lesson.accuracy)
        if not lesson.mistakes[-1]:
            break
        if perceptron.state() in seen:
            lesson.repeats = seen[perceptron.state()]
            break
        seen[perceptron.state()] = number
    return lesson


def corrections_allowed(problem: Blobs) -> float:
    """Novikoff's bound (R / gamma)^2, with the bias as a weight of an input that is always 1."""
    inputs = np.column_stack([problem.x, np.ones(len(problem))])
    line = np.array([*problem.normal, -problem.offset])
    gamma = np.abs(inputs @ line).min() / np.linalg.norm(line)
    return float((np.linalg.norm(inputs, axis=1).max() / gamma) ** 2)


@milestone(PERCEPTRON, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Learn pairs of clouds that a line separates, then fail on XOR for good."""
    problems = [
        Blobs(n=recipe.points, seed=int(seed))
        for seed in stage.rng.integers(2**31, size=recipe.problems)
    ]
    stage.data(
        "points drawn from the seed", "built in", problems=recipe.problems, points=recipe.points
    )
    lessons = []
    with stage.progress("problems", recipe.problems) as step:
        for problem in problems:
            lessons.append(learn(problem, recipe.passes))
            step(f"{sum(lessons[-1].mistakes)} corrections")

    stage.tell("The first of them, with the line that was found:")
    marks = [
        (*point, "o" if y else "+") for point, y in zip(problems[0].x, problems[0].y, strict=True)
    ]
    stage.picture(plane(marks, lessons[0].perceptron.state()))

    corrections = [sum(lesson.mistakes) for lesson in lessons]
    allowed = [corrections_allowed(problem) for problem in problems]
    share = max(made / bound for made, bound in zip(corrections, allowed, strict=True))
    stage.tell(
        f"Corrections until no mistake was left: {min(corrections)} to {max(corrections)}; "
        f"nowhere more than {share:.0%} of what Novikoff's theorem allows."
    )
    stage.number("corrections", corrections)
    stage.number("corrections allowed", [round(bound, 1) for bound in allowed])

    xor = learn(XOR(), recipe.passes)
    stage.number("xor mistakes", xor.mistakes)
    if xor.repeats is not None:
        stage.tell(
            f"On XOR it makes {xor.mistakes[-1]} mistakes a pass. After pass {len(xor.mistakes)} "
            f"its weights are those it had after pass {xor.repeats}: it goes in circles for ever."
        )
    learned = sum(lesson.accuracy == 1 for lesson in lessons)
    stage.gate("problems learned to 100 %", learned, at_least=recipe.problems)
    stage.gate("best on XOR, of 4 points", xor.best * 4, at_most=3)
    stage.gate(
        "times it came back to earlier weights on XOR", int(xor.repeats is not None), at_least=1
    )
