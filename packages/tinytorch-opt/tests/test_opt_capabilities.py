"""The checkpoints 14 and 15: the reference answers yes, and a wrong module is told by its question.

A wrong answer is planted in a copy of a module that has joined a workspace, as in core's
`test_tito_checkpoint.py`. Left out: how `tito checkpoint` shows them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_asking import ask, asking_workspace  # noqa: F401  (the fixture `workspace`)

import tinytorch.opt
from tinytorch.course.workspace import Workspace
from tinytorch.opt.tier import TIER

pytestmark = pytest.mark.once

HOME = Path(tinytorch.opt.__path__[0])


def have(workspace: Workspace, module: str, *changes: tuple[str, str]) -> None:
    """Let a copy of a module join, with these replacements."""
    text = (HOME / f"{module}.py").read_text("utf-8")
    for right, wrong in changes:
        assert right in text, f"{module}.py has no {right!r} any more"
        text = text.replace(right, wrong)
    workspace.put(f"opt/{module}.py", text)
    workspace.join(f"opt/{module}.py")


@pytest.mark.parametrize("number", [checkpoint.number for checkpoint in TIER.checkpoints])
def test_the_reference_answers_every_question_with_yes(
    workspace: Workspace, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, outcomes = ask(number, capsys)
    assert status == 0, outcomes
    told = {row[4] for row in WRONG if row[3] == number}
    assert set(outcomes) == told, "each check tells some wrong module below"


@pytest.mark.parametrize(("number", "modules"), [
    ("14", ["profiling"]), ("15", ["quantization", "compression"]),
])  # fmt: skip
def test_a_copy_of_the_module_without_its_kernels_answers_as_well(
    workspace: Workspace, number: str, modules: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for module in modules:
        have(workspace, module)
    status, outcomes = ask(number, capsys)
    assert status == 0, outcomes


def test_they_are_numbered_on_after_those_of_arch() -> None:
    assert [checkpoint.number for checkpoint in TIER.checkpoints] == ["14", "15"]


IN_LAYERS = "a layer that sleeps has its time in both directions"
TOGETHER = "times add up to no more than the clock on the wall"
TRACED = "memory is what tracemalloc sees"
UNKNOWN = "an operation without a rule is shown and nothing invented"
BY_HAND = "operations are those counted by hand forward and backward"
NEAREST = "numbers become the nearest integers and zero stays zero"
EXACT = "sums of products of integers are exact"
SMALLEST = "the weights nearest to zero go and exactly as many as were asked"
HELD = "zeros stay while training goes on and grow as planned"
SILENT = "a smaller network answers as the large one with silent channels"
PACKED = "a packed file comes back"

WRONG = [
    # module, right, wrong, the checkpoint that says no, one of the checks that say so
    ("profiling", "self.layers.of(record.scope) if record.scope else ()", "()", "14", IN_LAYERS),
    ("profiling", "                event.kind,\n", "                'forward',\n", "14", IN_LAYERS),
    ("profiling", "self._inside(event.start, thread),", "0,", "14", TOGETHER),
    ("profiling", "total += call.self_time + heard", "total += call.time + heard", "14", TOGETHER),
    ("profiling", "self.time += time", "self.time = time", "14", TOGETHER),
    ("profiling", "block.__exit__(kind, error, traceback)", "self.kept = block", "14",
     "who listens changes nothing"),
    ("profiling", "known = cost_of(event)", "known = cost_of(event) or Cost(0, 0, 0)", "14",
     UNKNOWN),
    ("profiling", "made = arrays_in(event.result)", "made = arrays_in(record.out)", "14", UNKNOWN),
    ("profiling", "self.memory.live,\n            )", "self.memory.peak,\n            )", "14",
     TRACED),
    ("profiling", "self.events.append(call)",
     "self.events.append(call); self.kept = (*getattr(self, 'kept', ()), made)", "14",
     "training keeps what asking lets go"),
    ("profiling", "self.memory.see_given(arrays_in(record.arrays))",
     "self.memory.see_made(arrays_in(record.arrays))", "14", TRACED),
    ("live_memory", "buffer = owner(array)", "buffer = array", "14", TRACED),
    ("live_memory", "memory.live -= size", "pass", "14", TRACED),
    ("costs", "flops = 2 * np.size(record.out) * inner", "flops = np.size(record.out) * inner",
     "14", "a transformer costs six operations for each weight and token"),
    ("costs", "else sum(event.record.needs[:2])", "else 2", "14", BY_HAND),
    ("costs", "return array.nbytes\n", "return array.size\n", "14", BY_HAND),
    ("profile_rows", "own=name == last", "own=True", "14", TOGETHER),
    ("quantization", "np.rint(q, out=q)", "np.floor(q, out=q)", "15", NEAREST),
    ("quantization", "np.clip(q, low, high, out=q).astype", "q.astype(np.int32).astype", "15",
     NEAREST),
    ("quantization", "(high - low) / (largest - smallest)", "(high - low) / largest", "15",
     NEAREST),
    ("quantization", "(x.astype(np.int32) - np.int32(zero_point)) @ weight.astype(np.int32)",
     "((x.astype('f4') - np.float32(zero_point)) @ weight.astype('f4')).astype(np.int32)", "15",
     EXACT),
    ("quantization", "(x.astype(np.int32) - np.int32(zero_point)) @", "x.astype(np.int32) @", "15",
     EXACT),
    ("quantization", "total if bias is None else total + bias", "total", "15", EXACT),
    ("quantization", "image = x.astype(np.int32) - np.int32(zero_point)",
     "image = x.astype(np.int32)", "15", "a convolution of integers is what exact loops give"),
    ("quantization", "conv2d.definition(image, weight.astype(np.int32), bias, **how)",
     "conv2d.definition(image.astype('f4'), weight.astype('f4'), bias, **how).astype(np.int32)",
     "15", "a convolution of integers is what exact loops give"),
    ("quantization", "scale = self.input_scale.data * self.weight_scale.data",
     "scale = self.weight_scale.data", "15", "digits are read as well in eight bits"),
    ("quantization", "return largest if per_channel else", "return", "15",
     "each output has a scale of its own"),
    ("quantization", "seen = observe(model, itertools.chain([first], stream)",
     "seen = observe(model, itertools.chain([first])", "15",
     "the steps of inputs come from all the examples"),
    ("quantization", "for name, inputs in scales.items()",
     "for name, inputs in list(scales.items())[:2]", "15",
     "a file of eight bits holds a quarter of the bytes"),
    ("calibration", "self.low = min(self.low, float(x.min()))", "self.low = float(x.min())", "15",
     "the steps of inputs come from all the examples"),
    ("compression", "np.abs(tensor.data) for name, tensor", "tensor.data for name, tensor", "15",
     SMALLEST),
    ("compression", 'kind="stable")[:count]', 'kind="stable")[-count:]', "15", SMALLEST),
    ("compression", "if parameter.ndim >= 2 and", "if", "15", SMALLEST),
    ("compression", "round(sparsity * len(together))", "len(together) - len(together) // 4", "15",
     SMALLEST),
    ("compression", "        apply_masks(self.model, self.masks)\n\n\n# How their",
     "        pass\n\n\n# How their", "15",
     "digits are read as well without four of five weights"),
    ("compression", "            return\n        apply_masks(self.model, self.masks)",
     "            return\n        if step % self.every == 0: apply_masks(self.model, self.masks)",
     "15", HELD),
    ("compression", "(1 - done) ** 3", "(1 - done)", "15", HELD),
    ("structured", "small = _taken(model, plan)", "small = silenced(model, plan)", "15", SILENT),
    ("structured", "np.argsort(score[free], kind", "np.argsort(-score[free], kind", "15", SILENT),
    ("tensor_codes", "bits=coding.bits or 8)", "bits=7)", "15", PACKED),
    ("packing", "stages = [_compress(number, body)", "stages = [body", "15", PACKED),
]  # fmt: skip


FIRST = {row[4]: row for row in reversed(WRONG)}  # of those that a check tells


@pytest.mark.parametrize(
    ("module", "right", "wrong", "number", "said"),
    [
        pytest.param(
            *row,
            id=f"{row[3]}-{row[0]}-{row[2].strip()}",
            marks=() if row is FIRST[row[4]] else pytest.mark.slow,
        )
        for row in WRONG
    ],
)
def test_a_wrong_module_is_told_by_the_question_it_makes_a_lie(
    workspace: Workspace, module: str, right: str, wrong: str, number: str, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    have(workspace, module, (right, wrong))
    status, outcomes = ask(number, capsys)
    assert status == 1
    assert outcomes[said] not in ("passed", "waiting"), outcomes


def test_integers_that_are_stored_as_floats_are_found_in_the_file(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    have(
        workspace,
        "quantization",
        ("Tensor(weights.quantize(weight))", "Tensor(weights.quantize(weight).astype(np.float32))"),
        ("q, self.weight, self.bias", "q, self.weight.data.astype(np.int8), self.bias"),
        ("            self.weight,\n", "            self.weight.data.astype(np.int8),\n"),
    )
    status, outcomes = ask("15", capsys)
    assert status == 1
    lied = [sentence for sentence, outcome in outcomes.items() if outcome != "passed"]
    assert lied == ["a file of eight bits holds a quarter of the bytes"]
