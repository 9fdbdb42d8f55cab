"""Checkpoint 6: data arrive in batches. Each example once an epoch, with the label that is its own.

The facts are countings, and a network's loss over everything at once. Left out: training.
"""

from typing import Any

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import ReLU
from tinytorch.core.dataloader import DataLoader, Dataset, TensorDataset, random_split
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.course.checking import exercise, same
from tinytorch.datasets import DrawnDigits


class Squares(Dataset):
    """A data set as a user writes one: number i, and its square."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> Any:
        return np.array([index], np.float32), index * index


def numbers(loader: Any) -> list[int]:
    """The examples of `Squares` that an epoch hands out, in order."""
    return [int(number) for x, _ in loader for number in x.data[:, 0]]


@exercise("6")
def check_an_epoch_hands_out_every_example_exactly_once() -> None:
    for shuffle in (False, True):
        rng = np.random.default_rng(0)
        loader = DataLoader(Squares(), batch_size=5, shuffle=shuffle, rng=rng)
        for epoch in (1, 2):
            seen = sorted(numbers(loader))
            assert seen == list(range(23)), f"epoch {epoch}, shuffle={shuffle}: {seen}"


@exercise("6")
def check_an_example_keeps_its_own_label_in_any_order() -> None:
    for x, y in DataLoader(Squares(), 4, shuffle=True, rng=np.random.default_rng(1)):
        same(y, x.data[:, 0] ** 2, call="batch.y", why="the label of i is i * i")
    data = DrawnDigits("train", n=50)
    alone = [data[i] for i in range(50)]
    for batch in DataLoader(data, 8, shuffle=True, rng=np.random.default_rng(2)):
        for image, label in zip(batch.x.data, batch.y.data, strict=True):
            owners = [own for picture, own in alone if np.array_equal(picture, image)]
            assert int(label) in owners, f"a picture of {owners} came with the label {int(label)}"


@exercise("6")
def check_shuffling_changes_with_each_epoch_and_repeats_with_its_seed() -> None:
    def epochs(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        loader = DataLoader(Squares(), 5, shuffle=True, rng=rng)
        return [numbers(loader) for _ in range(3)]

    first = epochs(3)
    assert first[0] != list(range(23)), "shuffle=True left the order as it was"
    assert first[0] != first[1] != first[2], "two epochs came in the same order"
    assert epochs(3) == first, "the same seed gave another order"
    assert epochs(4) != first, "another seed gave the same order"


@exercise("6")
def check_the_last_batch_is_what_remains_or_is_dropped() -> None:
    for drop, sizes in ((False, [5, 5, 5, 5, 3]), (True, [5, 5, 5, 5])):
        loader = DataLoader(Squares(), 5, drop_last=drop)
        got = [len(batch.x) for batch in loader]
        assert got == sizes, f"drop_last={drop}: expected batches of {sizes}, got {got}"
        assert len(loader) == len(sizes), f"len(loader): expected {len(sizes)}, got {len(loader)}"


@exercise("6")
def check_the_mean_over_batches_is_the_loss_of_all_examples() -> None:
    rng = np.random.default_rng(5)
    data = DrawnDigits("train", n=70)
    model = Sequential(
        lambda x: x.reshape(len(x), -1), Linear(784, 12, rng=rng), ReLU(), Linear(12, 10, rng=rng)
    )
    images, labels = data.get_batch(np.arange(70))
    whole = CrossEntropyLoss()(model(Tensor(images)), Tensor(labels)).item()
    loader = DataLoader(data, 16, shuffle=True, rng=rng)
    shares = [CrossEntropyLoss()(model(b.x), b.y).item() * len(b.x) / 70 for b in loader]
    same(sum(shares), whole, call="the mean over batches of 16", rtol=1e-4)


@exercise("6")
def check_arrays_are_split_without_an_example_in_both_parts() -> None:
    table = TensorDataset(np.arange(40).reshape(20, 2), np.arange(20))
    train, test = random_split(table, [0.75, 0.25], np.random.default_rng(6))
    assert (len(train), len(test)) == (15, 5), f"expected 15 and 5, got {len(train)}, {len(test)}"
    seen = []
    for part in (train, test):
        for x, y in DataLoader(part, 4):
            same(x, np.column_stack([2 * y.data, 2 * y.data + 1]), call="batch.x", why="rows of y")
            seen += [int(label) for label in y.data]
    assert sorted(seen) == list(range(20)), f"both parts together: {sorted(seen)}"


@exercise("6")
def check_what_is_fetched_ahead_and_changed_on_the_way_is_the_same() -> None:
    def noisy(x: Any, rng: np.random.Generator) -> Any:
        return x + rng.standard_normal(x.shape).astype(np.float32)

    def epoch(ahead: int) -> Any:
        rng = np.random.default_rng(7)
        loader = DataLoader(Squares(), 5, True, transform=noisy, rng=rng, prefetch=ahead)
        return np.concatenate([batch.x.data for batch in loader])

    same(epoch(2), epoch(0), call="an epoch with prefetch=2", why="the seed decides, not the time")
