"""The checkpoints 10-13: the reference answers yes, and each wrong module is told by its question.

A wrong answer is planted in a copy of a module that has joined a workspace, as in core's
`test_tito_checkpoint.py`. Left out: how `tito checkpoint` shows them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_asking import ask, asking_workspace  # noqa: F401  (the fixture `workspace`)

import tinytorch.arch
from tinytorch.arch.tier import TIER
from tinytorch.course.workspace import Workspace

pytestmark = pytest.mark.once

HOME = Path(tinytorch.arch.__path__[0])


@pytest.mark.parametrize("number", [checkpoint.number for checkpoint in TIER.checkpoints])
def test_the_reference_answers_every_question_with_yes(
    workspace: Workspace, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, outcomes = ask(number, capsys)
    assert status == 0, outcomes
    assert len(outcomes) >= 5


def test_they_are_numbered_on_after_those_of_core() -> None:
    assert [checkpoint.number for checkpoint in TIER.checkpoints] == ["10", "11", "12", "13"]


WRONG = [
    # module, right, wrong, the checkpoint that says no, one of the checks that say so
    (
        "convolutions", "@ filters[i, j]\n", "@ filters[j, i]\n" , "10",
        "a convolution is what loops over all pixels give",
    ),
    (
        "convolutions", "dimage[:, :, rows, columns] += slopes",
        "dimage[:, :, rows, columns] = slopes", "10",
        "a whole network has the gradient that differences show",
    ),
    (
        "convolutions", "wins = open_to_all & (image[:, rows, columns] == best)",
        "wins = image[:, rows, columns] > best", "10",
        "strokes are told apart wherever they stand",
    ),
    (
        "tokenization", "best = min(counts, key=lambda pair: (-counts[pair], pair))",
        "best = min(counts)", "11", "the pair that is most frequent is merged first",
    ),
    (
        "tokenization", "            i += 2\n", "            i += 1\n", "11",
        "a larger vocabulary needs fewer tokens",
    ),
    (
        "embeddings", "np.add.at(dweight, indices, g)", "dweight[indices] += g", "11",
        "each place of a token adds to the gradient of its vector",
    ),
    (
        "embeddings", "10_000.0 ** (-np.arange(0, d_model, 2) / d_model)",
        "np.ones(-(-d_model // 2))", "11",
        "a place is told from others and distances are alike everywhere",
    ),
    (
        "attention", "np.tri(queries, keys, keys - queries, dtype=bool)",
        "np.tri(queries, keys, keys - queries + 1, dtype=bool)", "12", "nothing later is seen",
    ),
    (
        "attention", "1 / math.sqrt(q.shape[-1]) if scale is None", "1.0 if scale is None", "12",
        "answers are values in shares of a softmax",
    ),
    (
        "attention", "dscores = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * scale",
        "dscores = p * dp * scale", "12",
        "several heads have the gradient that differences show",
    ),
    (
        "attention", "answers.transpose(1, 2).reshape(x.shape)", "answers.reshape(x.shape)", "12",
        "nothing later is seen",
    ),
    (
        "transformers", "h = block(h, is_causal=True", "h = block(h, is_causal=False", "13",
        "what comes later changes no prediction before it",
    ),
    (
        "transformers", "self.tokens(tokens) + self.positions.weight[start:stop]",
        "self.tokens(tokens) + 0", "13", "every parameter takes part",
    ),
    (
        "transformers", "centred = x - x.mean(axis=-1, keepdims=True)", "centred = x", "13",
        "a layer norm leaves direction and takes size and mean",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "right", "wrong", "number", "said"),
    WRONG,
    ids=[f"{row[3]}-{row[0]}-{row[2].strip()}" for row in WRONG],
)
def test_a_wrong_module_is_told_by_the_question_it_makes_a_lie(
    workspace: Workspace, module: str, right: str, wrong: str, number: str, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    text = (HOME / f"{module}.py").read_text("utf-8")
    assert right in text, f"{module}.py has no {right!r} any more"
    workspace.put(f"arch/{module}.py", text.replace(right, wrong))
    workspace.join(f"arch/{module}.py")
    status, outcomes = ask(number, capsys)
    assert status == 1
    assert outcomes[said] not in ("passed", "waiting"), outcomes
