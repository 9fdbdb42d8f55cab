"""What primitives cost: every one has a rule, and the rules agree with independent counts.

Left out: steps (`test_step_costs.py`), and what PyTorch counts (`test_costs_oracle.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from costs_helper import costs, flops, leaf

from tinytorch.arch import models
from tinytorch.core.context import listening
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.primitive import Event, primitive, primitives
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import COSTS, Cost, cost, cost_of, einsum_flops, owner, stored


# Every primitive
def test_every_primitive_has_a_rule() -> None:
    shipped = {
        name
        for name, made in primitives().items()
        if made.definition.__module__.startswith("tinytorch.")
    }
    assert len(shipped) > 80
    missing = shipped - COSTS.keys()
    assert not missing, f'add @cost("{min(missing)}") beside it, as tinytorch.opt.costs says'


def test_no_rule_is_for_a_primitive_that_there_is_not() -> None:
    assert COSTS.keys() - primitives().keys() == set()


# Bytes
def test_a_view_moves_nothing_and_a_copy_is_read_and_written() -> None:
    x = leaf(8, 8)
    assert costs(lambda: x.reshape(64))[0][2].bytes == 0
    assert costs(lambda: x[2:4])[0][2].bytes == 0
    assert costs(lambda: x.T.reshape(64))[1][2].bytes == 2 * 256


def test_bytes_are_operands_and_results_and_backward_what_the_rule_reads_and_writes() -> None:
    x, w, b = leaf(8, 16), leaf(16, 4), leaf(4)
    linear = primitives()["linear"]
    (_, _, forward), (_, _, back) = costs(lambda: linear(x, w, b).backward(np.ones((8, 4))))
    assert forward == Cost(2 * 8 * 16 * 4, 32, 4 * (8 * 16 + 16 * 4 + 4 + 8 * 4))
    assert back.flops == 2 * forward.flops
    # g, x for dw and w for dx are read; the bias is not
    assert back.bytes == 4 * (8 * 4 + 8 * 16 + 16 * 4) + 4 * (8 * 16 + 16 * 4 + 4)
    w.requires_grad = b.requires_grad = False
    (_, _, only_dx) = costs(lambda: linear(x, w, b).backward(np.ones((8, 4))))[1]
    assert only_dx.bytes == 4 * (8 * 4 + 16 * 4) + 4 * 8 * 16


def test_a_gradient_that_is_passed_on_as_it_came_moves_nothing() -> None:
    x, y = leaf(8, 4), leaf(8, 4)
    ones = np.ones((8, 4))
    assert costs(lambda: (x + y).backward(ones))[1][2] == Cost(0, 0, 0)
    assert costs(lambda: (x - y).backward(ones))[1][2] == Cost(0, 32, 2 * 128)  # -g, for y alone
    assert costs(lambda: x.reshape(32).backward(np.ones(32)))[1][2].bytes == 0


def test_a_gradient_that_nobody_wants_costs_nothing() -> None:
    x, w = leaf(8, 16), leaf(16, 4)
    both = flops(lambda: (x @ w).backward(np.ones((8, 4))), "backward")
    x.requires_grad = False
    assert flops(lambda: (x @ w).backward(np.ones((8, 4))), "backward") == both // 2


def test_an_embedding_reads_the_rows_it_takes_and_not_the_table() -> None:
    embedding = primitives()["embedding"]
    table = leaf(1000, 8)
    [(_, _, known)] = costs(lambda: embedding(np.array([1, 2, 3]), table))
    assert known.bytes == 3 * 8 + 2 * 3 * 8 * 4


def test_what_is_broadcast_is_stored_once() -> None:
    x = np.broadcast_to(np.zeros((1, 5), np.float32), (7, 5))
    assert (stored(x), x.nbytes) == (20, 140)
    assert stored(np.zeros((0, 5))) == 0
    assert owner(np.zeros(6).reshape(2, 3)[1]).size == 6


# Rules of one's own
def test_a_rule_of_ones_own_is_asked_and_a_primitive_without_one_is_unknown() -> None:
    @primitive
    def twice_for_costs(x: Any) -> Any:
        return x + x

    heard: list[Cost | None] = []
    with listening(lambda event: heard.append(cost_of(event))):
        twice_for_costs(leaf(3))
    assert heard == [None]

    @cost("twice_for_costs")
    def twice_cost(event: Event) -> Cost:
        return Cost(0, 3, 24)

    try:
        assert costs(lambda: twice_for_costs(leaf(3)))[0][2] == Cost(0, 3, 24)
    finally:
        forget("twice_for_costs")


def test_a_rule_that_does_not_fit_a_students_definition_is_unknown_and_no_error() -> None:
    @primitive
    def odd_for_costs(x: Any) -> Any:
        return x

    COSTS["odd_for_costs"] = COSTS["matmul"]
    heard: list[Cost | None] = []
    try:
        with listening(lambda event: heard.append(cost_of(event))):
            odd_for_costs(2.0)
    finally:
        forget("odd_for_costs")
    assert heard == [None]


def forget(name: str) -> None:
    """Take a primitive of a test out of the tables: other tests ask of all that there are."""
    from tinytorch.core import primitive as door

    for table in (door._PRIMITIVES, door.RULES, COSTS):
        table.pop(name, None)


# Products, by other counts
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (models.LeNet5, (1, 28, 28)),
        (models.ResNet8, (3, 32, 32)),
        (models.DSCNN, (1, 49, 10)),
        (models.AutoEncoder, (640,)),
        (models.DigitViT, (1, 28, 28)),
    ],
)
def test_flops_are_twice_the_multiply_adds_of_the_networks_with_a_name(
    make: Any, shape: tuple[int, ...]
) -> None:
    model = make().eval()
    x = Tensor(np.zeros((1, *shape), np.float32))
    counted = sum(c.flops for _, _, c in costs(lambda: model(x)))
    assert counted == 2 * models.multiply_adds(model, *shape)


def test_einsum_counts_the_products_of_each_pair() -> None:
    assert einsum_flops("ij,jk->ik", [(2, 3), (3, 4)]) == 2 * 2 * 3 * 4
    assert einsum_flops("ij->i", [(2, 3)]) == 0
    # three operands: two of them first, whichever NumPy chooses
    chain = einsum_flops("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)])
    assert chain in (2 * (2 * 3 * 4 + 2 * 4 * 5), 2 * (3 * 4 * 5 + 2 * 3 * 5))


# of a batch of 2, as `torch.utils.flop_counter` of PyTorch 2.13 gave them (test_costs_oracle.py)
@pytest.mark.parametrize(
    ("make", "shape", "forward", "backward"),
    [
        (models.LeNet5, (1, 28, 28), 1_666_080, 2_861_760),
        (models.ResNet8, (3, 32, 32), 50_006_528, 98_243_584),
    ],
)
def test_a_step_of_a_network_costs_what_pytorch_once_said(
    make: Any, shape: tuple[int, ...], forward: int, backward: int
) -> None:
    model = make()
    x, y = Tensor(np.ones((2, *shape), np.float32)), np.array([0, 1])
    loss: list[Tensor] = []
    assert flops(lambda: loss.append(CrossEntropyLoss()(model(x), y)), "forward") == forward
    assert flops(lambda: loss[0].backward(), "backward") == backward


def test_a_rule_that_joins_shares_costs_their_sums_besides_what_they_compute() -> None:
    """While somebody listens there are no shares: so forward is not heard here."""
    from tinytorch.opt.parallel import BatchParallel

    model, x = models.LeNet5(), Tensor(np.ones((4, 1, 28, 28), np.float32))
    ones = np.ones((4, 10))
    whole = model(x)
    shared = BatchParallel(model, threads=2)(x)
    heard = costs(lambda: shared.backward(ones))
    assert sum(c.flops for _, _, c in heard) == flops(lambda: whole.backward(ones), "backward")
    [join] = [c for _, name, c in heard if name == "batch_parallel"]
    assert join.other == model.num_parameters()  # the second share's gradients onto the first's
