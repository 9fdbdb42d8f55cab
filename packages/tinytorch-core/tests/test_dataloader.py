"""Module 05: every example arrives once, in batches, in an order that a seed decides."""

import contextvars
import gc
import itertools
import subprocess
import sys
import threading
import time
import traceback
import weakref
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import ShapeError, Tensor, manual_seed
from tinytorch.core.dataloader import collate as stack
from tinytorch.core.prefetch import fetched_ahead
from tinytorch.data import Batch, DataLoader, Dataset, Subset, TensorDataset, random_split


class Squares(Dataset):
    """Example i is (i, i * i). `fetched` lists the indices that were asked for."""

    def __init__(self, n):
        self.n = n
        self.fetched = []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.fetched.append(index)
        return float(index), index * index


class Listed:
    """A data set of given examples: no base class, no get_batch."""

    def __init__(self, *examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        return self.examples[index]


def numbers(n):
    return TensorDataset(np.arange(n))


def order_of(loader):
    """The numbers that one epoch over `numbers(n)` gives, batch by batch."""
    return [batch.tolist() for batch in loader]


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


sizes = {
    "n": st.integers(0, 40),
    "batch_size": st.integers(1, 45),
    "shuffle": st.booleans(),
    "drop_last": st.booleans(),
    "prefetch": st.integers(0, 3),
    "seed": st.integers(0, 5),
}


# Every example, once
@settings(max_examples=200, deadline=None)
@given(**sizes)
def test_an_epoch_has_every_example_once_and_as_many_batches_as_len_says(
    n, batch_size, shuffle, drop_last, prefetch, seed
):
    rng = np.random.default_rng(seed)
    loader = DataLoader(numbers(n), batch_size, shuffle, drop_last, rng=rng, prefetch=prefetch)
    batches = order_of(loader)
    seen = [i for batch in batches for i in batch]
    assert len(batches) == len(loader)
    assert len(seen) == (n - n % batch_size if drop_last else n)
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(n))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    if not shuffle:
        assert seen == list(range(len(seen)))


@pytest.mark.parametrize(
    ("n", "batch_size", "drop_last", "length"),
    [(10, 3, False, 4), (10, 3, True, 3), (9, 3, False, 3), (9, 3, True, 3), (2, 3, True, 0)],
)
def test_the_length_counts_batches(n, batch_size, drop_last, length):
    assert len(DataLoader(numbers(n), batch_size, drop_last=drop_last)) == length


# Order
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(0, 30), prefetch=st.integers(1, 4))
def test_the_order_depends_on_the_seed_and_not_on_prefetch(seed, n, prefetch):
    def epochs(prefetch):
        rng = np.random.default_rng(seed)
        loader = DataLoader(numbers(n), 4, shuffle=True, rng=rng, prefetch=prefetch)
        return [order_of(loader) for _ in range(3)]

    assert epochs(0) == epochs(prefetch)


def test_each_epoch_has_a_new_order():
    loader = DataLoader(numbers(50), 50, shuffle=True, rng=np.random.default_rng(0))
    assert order_of(loader) != order_of(loader)


def test_the_default_generator_is_the_one_in_force_when_the_epoch_starts():
    loader = DataLoader(numbers(50), 10, shuffle=True)
    manual_seed(3)
    first = order_of(loader)
    manual_seed(3)
    assert order_of(loader) == first


@pytest.mark.parametrize("prefetch", [0, 2])
def test_leaving_an_epoch_early_does_not_change_the_next_one(prefetch):
    def second_epoch(leave):
        rng = np.random.default_rng(0)
        loader = DataLoader(numbers(50), 10, shuffle=True, rng=rng, prefetch=prefetch)
        for _ in loader:
            if leave:
                break
        return order_of(loader)

    assert second_epoch(leave=True) == second_epoch(leave=False)


def test_two_epochs_at_once_do_not_disturb_each_other():
    loader = DataLoader(numbers(6), 2)
    pairs = [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)]
    assert pairs == [([0, 1], [0, 1]), ([2, 3], [2, 3]), ([4, 5], [4, 5])]


# What a batch is
def test_pairs_arrive_as_x_and_y_and_unpack():
    batch = next(iter(DataLoader(Squares(4), 3)))
    assert isinstance(batch, Batch)
    x, y = batch
    assert x is batch.x
    assert y is batch.y
    assert (x.tolist(), x.dtype) == ([0.0, 1.0, 2.0], np.float32)
    assert (y.tolist(), y.dtype) == ([0, 1, 4], np.int64)


def test_one_array_arrives_as_a_tensor_three_as_a_tuple_and_a_dict_as_a_dict():
    one = next(iter(DataLoader(TensorDataset(np.ones((4, 2))), 4)))
    assert isinstance(one, Tensor)
    assert (one.shape, one.dtype) == ((4, 2), np.float32)
    three = next(iter(DataLoader(TensorDataset(*[np.arange(4)] * 3), 4)))
    assert type(three) is tuple
    assert [type(part) for part in three] == [Tensor] * 3
    examples = Listed({"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]})
    both = next(iter(DataLoader(examples, 2)))
    assert type(both["a"]) is Tensor
    assert both["a"].tolist() == [1, 2]
    assert [part.tolist() for part in both["b"]] == [[1.0, 3.0], [2.0, 4.0]]


def test_a_pair_inside_a_pair_is_a_plain_tuple():
    batch = next(iter(DataLoader(Listed(((1, 2), 3), ((4, 5), 6)), 2)))
    assert type(batch) is Batch
    assert type(batch.x) is tuple
    assert [part.tolist() for part in batch.x] == [[1, 4], [2, 5]]


def test_tensors_arrays_numbers_truths_and_text_are_stacked():
    examples = [(Tensor([i, i]), np.full(3, i, np.uint8), i, i > 0, f"name {i}") for i in range(2)]
    tensors, arrays, whole, truths, text = next(iter(DataLoader(Listed(*examples), 2)))
    assert tensors.tolist() == [[0, 0], [1, 1]]
    assert (arrays.shape, arrays.dtype) == ((2, 3), np.uint8)
    assert whole.tolist() == [0, 1]
    assert truths.dtype == np.bool_
    assert text == ["name 0", "name 1"]


def test_get_batch_is_used_where_there_is_one():
    class Fast(Squares):
        def get_batch(self, indices):
            return indices * 1.0, indices**2

    fast = Fast(10)
    batches = list(DataLoader(fast, 4))
    assert fast.fetched == []
    for ours, plain in zip(batches, DataLoader(Squares(10), 4), strict=True):
        assert ours.x.tolist() == plain.x.tolist()
        assert ours.y.tolist() == plain.y.tolist()
        assert ours.x.dtype == plain.x.dtype == np.float32


def test_a_collate_of_your_own_receives_the_examples_and_its_result_becomes_tensors():
    class Padded(NamedTuple):
        tokens: Tensor
        lengths: Tensor

    def pad(examples):
        longest = max(len(e) for e in examples)
        rows = np.array([e + [0] * (longest - len(e)) for e in examples])
        return Padded(rows, np.array([len(e) for e in examples]))

    batch = next(iter(DataLoader(Listed([1], [2, 3]), 2, collate=pad)))
    assert batch.tokens.tolist() == [[1, 0], [2, 3]]
    assert type(batch.lengths) is Tensor
    pair = next(iter(DataLoader(Squares(4), 2, collate=lambda e: [np.zeros(2), np.ones(2)])))
    assert pair.y.tolist() == [1.0, 1.0]


def test_what_a_collate_returns_besides_numbers_stays_as_it_is():
    examples = Listed("a", "b")
    mixed = next(iter(DataLoader(examples, 2, collate=lambda e: ["a", np.zeros(2)])))
    assert type(mixed) is list
    assert mixed[0] == "a"
    with pytest.raises(TypeError, match="object"):
        next(iter(DataLoader(examples, 2, collate=lambda e: np.array([None]))))


def test_a_batch_lies_row_by_row_whatever_collate_made():
    columns = next(iter(DataLoader(Listed(1, 2), 2, collate=lambda e: np.ones((2, 3), order="F"))))
    assert columns.data.flags.c_contiguous
    wide = np.ones((2, 3), np.float32, order="F")
    columns = next(iter(DataLoader(Listed(1, 2), 2, collate=lambda e: wide)))
    assert columns.data.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, np.bool_])
def test_what_was_made_for_a_batch_is_not_copied_once_more(dtype):
    made = np.ones(2, dtype)
    batch = next(iter(DataLoader(Listed(1, 2), 2, collate=lambda examples: made)))
    assert np.shares_memory(batch.data, made)


def test_a_tensor_that_requires_a_gradient_is_data_like_any_other():
    data = TensorDataset(Tensor([1.0, 2.0], requires_grad=True))
    assert not next(iter(DataLoader(data, 2))).requires_grad


def test_every_epoch_has_transforms_of_its_own():
    drawn = []

    def draws(x, rng):
        drawn.append(int(rng.integers(2**63)))
        return x

    loader = DataLoader(numbers(1), transform=draws, rng=np.random.default_rng(0))
    for _ in range(60):
        list(loader)
    assert len(set(drawn)) == 60


def test_without_options_examples_come_one_by_one_in_order_all_of_them():
    assert order_of(DataLoader(numbers(3))) == [[0], [1], [2]]
    assert order_of(DataLoader(numbers(3), 2)) == [[0, 1], [2]]
    assert DataLoader(numbers(3)).prefetch == 0


def test_changing_a_batch_in_place_leaves_the_data_set_as_it_was():
    class Whole:
        def __init__(self):
            self.x = np.zeros((4, 2), np.float32)

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return self.x[index]

        def get_batch(self, indices):
            return self.x[indices[0] : indices[-1] + 1]  # a view

    for dataset in (Whole(), TensorDataset(np.zeros((4, 2), np.float32))):
        for batch in DataLoader(dataset, 2):
            batch.data += 1
        assert not np.any(dataset[0])


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (
            [np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 4))],
            r"examples 0 and 2 cannot be in one batch: shape \(2, 3\) and shape \(2, 4\)",
        ),
        ([(1, 2), (1, 2, 3)], "examples 0 and 1 .* 2 parts and 3 parts"),
        ([{"a": 1}, {"b": 1}], r"examples 0 and 1 .* keys \['a'\] and keys \['b'\]"),
        ([(1, [1, 2]), (2, [1])], "examples 0 and 1 .* 2 parts and 1 parts"),
    ],
)
@pytest.mark.parametrize("prefetch", [0, 1])
def test_examples_that_do_not_fit_together_are_named_with_their_shapes(examples, message, prefetch):
    with pytest.raises(ShapeError, match=message):
        list(DataLoader(Listed(*examples), len(examples), prefetch=prefetch))


def test_examples_without_a_data_set_are_numbered_from_0():
    with pytest.raises(ShapeError, match="examples 0 and 1 cannot be in one batch"):
        stack([[1, 2], [3]])


def test_the_message_names_examples_by_their_number_in_the_data_set():
    examples = Listed(*[np.zeros(3)] * 5, np.zeros(2))
    with pytest.raises(ShapeError, match=r"examples 4 and 5 .*collate"):
        list(DataLoader(examples, 2))


def test_what_is_no_number_cannot_be_stacked():
    with pytest.raises(TypeError, match="expected numbers, got object"):
        list(DataLoader(Listed(object()), 1))


# What a loader refuses
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dataset": iter([1])}, TypeError, "a list_iterator has no __len__"),
        ({"dataset": {1, 2}}, TypeError, "a set has no __getitem__"),
        ({"dataset": [1], "batch_size": 0}, ValueError, "batch_size=0"),
        ({"dataset": [1], "prefetch": -1}, ValueError, "prefetch=-1"),
        ({"dataset": [1], "batch_size": 1.5}, TypeError, "float"),
    ],
)
def test_what_cannot_be_loaded_is_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        DataLoader(**arguments)


def test_a_data_set_that_stops_early_is_an_error_and_not_a_short_epoch():
    class Ends(Squares):
        def __getitem__(self, index):
            return next(iter([]))

    for prefetch in (0, 1):
        with pytest.raises(RuntimeError, match="StopIteration"):
            list(DataLoader(Ends(3), 1, prefetch=prefetch))


# Data sets
def test_a_tensor_dataset_gives_rows_of_each_array_and_keeps_float32():
    data = TensorDataset([[1.0, 2.0], [3.0, 4.0]], Tensor([5, 6]))
    assert len(data) == 2
    x, y = data[1]
    assert x.dtype == np.float32
    assert x.tolist() == [3.0, 4.0]
    assert y == 6
    with pytest.raises(IndexError):
        data[2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "give arrays"),
        ([np.float32(1)], r"\[\(\)\]: give arrays"),
        ([np.zeros(3), np.float32(1)], r"\[\(3,\), \(\)\]: give arrays"),
        ([np.zeros((3, 2)), np.zeros(2)], r"\[\(3, 2\), \(2,\)\]: the first axis counts examples"),
    ],
)
def test_a_tensor_dataset_refuses_arrays_of_different_lengths(arrays, message):
    with pytest.raises(ShapeError, match=message):
        TensorDataset(*arrays)


def test_a_subset_gives_the_chosen_examples_one_by_one_and_in_batches():
    for whole in (Squares(10), TensorDataset(np.arange(10.0), np.arange(10) ** 2)):
        part = Subset(whole, [7, 2, -1])
        assert [int(part[i][1]) for i in range(3)] == [49, 4, 81]
        batch = next(iter(DataLoader(part, 3)))
        assert batch.y.tolist() == [49, 4, 81]
        assert next(iter(DataLoader(Subset(part, [1]), 1))).y.tolist() == [4]
    assert Subset(Squares(10), [-10]).indices.tolist() == [0]
    assert len(Subset(Squares(10), [])) == 0
    for index in (10, -11):
        with pytest.raises(IndexError, match=f"index {index} is outside a data set of 10 examples"):
            Subset(Squares(10), [0, index])


def test_a_subset_takes_integers_and_no_mask():
    assert Subset(Squares(10), np.array([1, 2], np.uint8)).indices.dtype == np.intp
    with pytest.raises(TypeError, match=r"integers, not bool; np\.flatnonzero"):
        Subset(Squares(2), [True, False])
    with pytest.raises(TypeError, match=r"integers, not float64$"):
        Subset(Squares(2), [0.5])


@settings(max_examples=100, deadline=None)
@given(n=st.integers(0, 50), cuts=st.lists(st.integers(0, 50), max_size=3), seed=st.integers(0, 9))
def test_a_random_split_shares_no_example_and_forgets_none(n, cuts, seed):
    ends = [0, *sorted(min(cut, n) for cut in cuts), n]
    lengths = [b - a for a, b in itertools.pairwise(ends)]
    parts = random_split(numbers(n), lengths, np.random.default_rng(seed))
    assert [len(part) for part in parts] == lengths or sum(lengths) == 1
    assert sorted(int(i) for part in parts for i in part.indices) == list(range(n))


def test_a_random_split_takes_fractions_and_a_seed():
    parts = random_split(numbers(11), [0.5, 0.25, 0.25], np.random.default_rng(0))
    assert [len(part) for part in parts] == [6, 3, 2]
    again = random_split(numbers(11), [0.5, 0.25, 0.25], np.random.default_rng(0))
    assert [p.indices.tolist() for p in parts] == [p.indices.tolist() for p in again]
    assert parts[0].indices.tolist() != sorted(parts[0].indices.tolist())
    manual_seed(0)
    first = random_split(numbers(11), [6, 5])
    manual_seed(0)
    again = random_split(numbers(11), [6, 5])
    assert [p.indices.tolist() for p in first] == [p.indices.tolist() for p in again]


def test_a_base_class_says_which_method_is_missing():
    with pytest.raises(NotImplementedError, match="Dataset has no __len__"):
        len(Dataset())
    with pytest.raises(NotImplementedError, match="Dataset has no __getitem__"):
        Dataset()[0]


@pytest.mark.parametrize("lengths", [[3, 3], [0.5, 0.4], [11, -1], [7.5, 2.5], [2, -1]])
def test_a_split_that_does_not_add_up_is_refused(lengths):
    with pytest.raises(ValueError, match="add up to 10"):
        random_split(numbers(10), lengths)


# Prefetch
def test_prefetch_works_ahead_but_not_further_than_asked():
    data = Squares(100)
    iterator = iter(DataLoader(data, 1, prefetch=3))
    next(iterator)
    deadline = time.monotonic() + 10
    while len(data.fetched) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert data.fetched == [0, 1, 2, 3]  # the one handed out, and three ahead
    iterator.close()


def test_prefetch_fetches_in_another_thread():
    seen = set()

    class Watched(Squares):
        def __getitem__(self, index):
            seen.add(threading.current_thread())
            return super().__getitem__(index)

    list(DataLoader(Watched(5), 2, prefetch=2))
    assert len(seen) == 1
    assert threading.current_thread() not in seen


class BrokenError(Exception):
    pass


class BreaksAtFive(Squares):
    def __getitem__(self, index):
        if index == 5:
            raise BrokenError("example five is rotten")
        return super().__getitem__(index)


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_an_error_in_the_data_set_arrives_after_the_batches_before_it(prefetch):
    arrived = []
    loader = DataLoader(BreaksAtFive(10), 2, prefetch=prefetch)
    with pytest.raises(BrokenError, match="rotten") as caught:
        arrived.extend(i for batch in loader for i in batch.y.tolist())
    assert arrived == [0, 1, 4, 9]
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == "__getitem__"
    assert not prefetch_threads()


def test_an_error_that_was_handled_leaves_no_cycle_behind():
    gc.disable()
    try:
        try:
            list(DataLoader(BreaksAtFive(10), 2, prefetch=2))
        except BrokenError as error:
            gone = weakref.ref(error)
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("how", ["break", "close", "forget", "collect", "never start"])
def test_an_abandoned_epoch_leaves_no_thread_behind(how):
    loader = DataLoader(Squares(1000), 1, prefetch=2)
    iterator = iter(loader)
    if how != "never start":
        next(iterator)
        assert len(prefetch_threads()) == 1
    if how == "break":
        del iterator
        for _ in loader:
            break
    elif how == "close":
        iterator.close()
    elif how == "collect":
        cycle = [iterator]
        cycle.append(cycle)
        del cycle, iterator
        gc.collect()
    else:
        del iterator
    assert not prefetch_threads()
    assert len(loader.dataset.fetched) < 20


def test_prefetch_hands_the_context_on():
    setting = contextvars.ContextVar("setting", default="outside")
    seen = []

    class Watched(Squares):
        def __getitem__(self, index):
            seen.append(setting.get())
            return super().__getitem__(index)

    token = setting.set("inside")
    list(DataLoader(Watched(2), 1, prefetch=1))
    setting.reset(token)
    assert seen == ["inside", "inside"]


def test_a_program_ends_though_an_epoch_is_still_open():
    program = """
from tinytorch.data import DataLoader, TensorDataset
batches = iter(DataLoader(TensorDataset(list(range(9))), prefetch=1))
print(next(batches).tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout.split() == [b"[0]"]
    assert done.returncode == 0


def test_the_thread_that_works_ahead_may_itself_be_the_one_that_closes_the_epoch():
    waiting, closed, errors = threading.Event(), threading.Event(), []

    def work(job):
        if job == 1:
            waiting.wait()
            try:
                ahead.close()  # as the garbage collector would, which runs in any thread
            except RuntimeError as error:
                errors.append(error)
            closed.set()
        return job

    ahead = fetched_ahead(work, range(3), 1)
    assert next(ahead) == 0
    waiting.set()
    assert closed.wait(60)
    assert errors == []
