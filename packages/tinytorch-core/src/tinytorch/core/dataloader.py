"""Module 05: data arrives in batches. Data sets, and the loader that shuffles and gathers them.

Any object with `__len__` and `__getitem__` is a data set. One that can fetch many examples at once
has `get_batch(indices)` besides, which the loader prefers: indexing an array once with 64 indices
is far faster than 64 times with one. Left out: the thread behind `prefetch` (`prefetch.py`),
transforms of images (`transforms.py`), and the data sets with a name (`tinytorch.datasets`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.prefetch import fetched_ahead
from tinytorch.core.primitive import Array, wrap
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor
from tinytorch.core.transforms import Transform


class Batch(NamedTuple):
    """Examples and what they should give: `batch.x`, `batch.y`, or `x, y = batch`."""

    x: Any
    y: Any


class Dataset:
    """Examples by number. Subclass it, or write any class with these two methods."""

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__(): write one")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(): write one")


class TensorDataset(Dataset):
    """Arrays or tensors of equal length: example i is element i of each of them.

    Lists will do too. float64 becomes float32, as in `Tensor`. Raises ShapeError where the lengths
    differ.
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays = [_as_array(array) for array in arrays]
        shapes = [array.shape for array in self.arrays]
        if not shapes or not all(shapes):
            raise ShapeError(
                f"TensorDataset: {shapes}: give arrays whose first axis counts examples"
            )
        if len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                f"TensorDataset: shapes {shapes}: the first axis counts examples, so it must be "
                "the same for all. Is one of them transposed?"
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Any:
        return self._one_or_all([array[index] for array in self.arrays])

    def get_batch(self, indices: Array) -> Any:
        """The examples at `indices` (B,): an array (B, ...), or a tuple of them."""
        return self._one_or_all([array.take(indices, axis=0) for array in self.arrays])

    def _one_or_all(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else tuple(parts)


class Subset(Dataset):
    """Some examples of another data set, by their indices there.

    Raises IndexError for an index outside of it, TypeError for what is no index.
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        n = len(dataset)
        given = np.asarray(indices)
        if given.size and given.dtype.kind not in "iu":
            hint = "; np.flatnonzero(mask) gives those of a mask" if given.dtype == bool else ""
            raise TypeError(f"Subset: indices are integers, not {given.dtype}{hint}")
        given = given.astype(np.intp)
        outside = given[(given < -n) | (given >= n)]
        if outside.size:
            raise IndexError(f"Subset: index {outside[0]} is outside a data set of {n} examples")
        self.indices = np.where(given < 0, given + n, given)  # -1 is the last example

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def get_batch(self, indices: Array) -> Any:
        """The examples at `indices` (B,), which count within this subset."""
        return fetch(self.dataset, self.indices[indices])


def random_split(
    dataset: Any, lengths: Sequence[float], rng: np.random.Generator | None = None
) -> list[Subset]:
    """Divide a data set at random into parts that share no example.

    lengths  how many examples each part gets; or fractions that add up to 1
    rng      where the order comes from
    """
    n = len(dataset)
    counts = [int(length) for length in lengths]
    if np.isclose(sum(lengths), 1):
        counts = [int(n * length) for length in lengths]
        for i in range(n - sum(counts)):  # what rounding down left over
            counts[i % len(counts)] += 1
    if sum(counts) != n or min(counts) < 0:
        raise ValueError(
            f"random_split: lengths {list(lengths)} for a data set of {n} examples: "
            f"they must add up to {n}, or be fractions that add up to 1"
        )
    order = (rng or default_generator()).permutation(n)
    ends = np.cumsum(counts)
    return [Subset(dataset, order[end - k : end]) for k, end in zip(counts, ends, strict=True)]


def fetch(dataset: Any, indices: Array) -> Any:
    """Return the examples at `indices` (B,) as arrays with a batch axis in front."""
    if hasattr(dataset, "get_batch"):
        return dataset.get_batch(indices)
    return collate([dataset[int(i)] for i in indices], indices)


def collate(examples: Sequence[Any], indices: Sequence[int] | Array | None = None) -> Any:
    """Stack examples into a batch: B of shape (...) -> (B, ...).

    Arrays, tensors and numbers become one array; tuples and dicts are stacked part by part; text
    stays a list. `indices` are the examples' numbers, for messages. Raises ShapeError where shapes
    or parts differ, TypeError for what cannot be stacked.
    """
    names = range(len(examples)) if indices is None else indices
    first = examples[0]
    if isinstance(first, tuple | list):
        _same(names, [len(e) for e in examples], "{} parts")
        columns = [[e[k] for e in examples] for k in range(len(first))]
        return tuple(collate(column, names) for column in columns)
    if isinstance(first, Mapping):
        _same(names, [sorted(e) for e in examples], "keys {}")
        return {key: collate([e[key] for e in examples], names) for key in first}
    if isinstance(first, str):
        return list(examples)
    arrays = [_as_array(e) for e in examples]
    _same(names, [a.shape for a in arrays], "shape {}")
    return np.stack(arrays)


def _same(names: Sequence[int] | Array, found: list[Any], what: str) -> None:
    """Raise ShapeError naming the first example that is not as the first one."""
    for i, value in enumerate(found):
        if value != found[0]:
            raise ShapeError(
                f"examples {names[0]} and {names[i]} cannot be in one batch: "
                f"{what.format(found[0])} and {what.format(value)}. "
                "Make them alike in the data set, or give DataLoader a collate function that pads"
            )


class DataLoader:
    """Hands out a data set in batches of tensors, in a new random order each epoch if `shuffle`.

    dataset     anything with `__len__` and `__getitem__`, and perhaps `get_batch`
    batch_size  examples in a batch; the last one may be smaller, unless `drop_last`
    collate     makes a batch of a list of examples; without it they are stacked (see `collate`)
    transform   `transform(x, rng)` changes the first part of each batch, an array, before it
                becomes a tensor (see `transforms.py`)
    rng         where order and transforms come from; the default generator if None
    prefetch    how many batches a background thread keeps ready

    `for batch in loader` gives a `Batch` with `.x` and `.y` where examples are pairs, otherwise a
    tensor, a tuple or a dict of tensors. Random numbers are drawn when the loop starts, so that
    neither `prefetch` nor a `break` changes what a seed gives.
    """

    @explains_arguments
    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        transform: Transform | None = None,
        rng: np.random.Generator | None = None,
        prefetch: int = 0,
    ) -> None:
        for method in ("__len__", "__getitem__"):
            if not hasattr(dataset, method):
                raise TypeError(f"DataLoader: a {type(dataset).__name__} has no {method}")
        if operator.index(batch_size) < 1 or operator.index(prefetch) < 0:
            raise ValueError(
                f"DataLoader: batch_size={batch_size}, prefetch={prefetch}: "
                "a batch has at least 1 example, and prefetch is at least 0"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.collate = collate
        self.transform = transform
        self.rng = rng
        self.prefetch = prefetch

    def __len__(self) -> int:
        """The number of batches."""
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        rng = self.rng or default_generator()
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        seed = int(rng.integers(2**63)) if self.transform else 0

        def load(number: int) -> Any:
            start = number * self.batch_size
            return self._load(order[start : start + self.batch_size], [seed, number])

        if self.prefetch:
            return fetched_ahead(load, range(len(self)), self.prefetch)
        return (load(number) for number in range(len(self)))

    def _load(self, indices: Array, seed: list[int]) -> Any:
        if self.collate is None:
            batch = fetch(self.dataset, indices)
        else:
            batch = self.collate([self.dataset[int(i)] for i in indices])
        if self.transform:
            batch = _with_first(batch, self.transform, np.random.default_rng(seed))
        tensors = to_tensors(batch)
        return Batch(*tensors) if type(tensors) is tuple and len(tensors) == 2 else tensors


def to_tensors(batch: Any) -> Any:
    """Return a batch with tensors in place of its arrays. Text and the like stay as they are."""
    if hasattr(batch, "_fields"):
        return type(batch)(*map(to_tensors, batch))
    if isinstance(batch, tuple):
        return tuple(map(to_tensors, batch))
    if isinstance(batch, list) and not any(isinstance(part, str) for part in batch):
        return tuple(map(to_tensors, batch))
    if isinstance(batch, Mapping):
        return {key: to_tensors(part) for key, part in batch.items()}
    if not isinstance(batch, np.ndarray):
        return batch
    fresh = batch.flags.owndata and batch.flags.c_contiguous  # made for this batch alone
    if fresh and batch.dtype.kind in "fiub" and batch.dtype != np.float64:
        return wrap(batch, None)  # no need to copy it
    return Tensor(batch)


def _with_first(batch: Any, transform: Transform, rng: np.random.Generator) -> Any:
    """Apply `transform` to the first part of a batch."""
    if isinstance(batch, tuple):
        return (_with_first(batch[0], transform, rng), *batch[1:])
    if isinstance(batch, Mapping):
        raise TypeError("transform: a batch that is a dict has no first part; use collate instead")
    return transform(_as_array(batch), rng)


def _as_array(x: Any) -> Array:
    """Return numbers, an array or a tensor as an array; float64 becomes float32."""
    array = x.data if isinstance(x, Tensor) else np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected numbers, got {type(x).__name__} {x!r:.60}")
    return array.astype(np.float32) if array.dtype == np.float64 else array
