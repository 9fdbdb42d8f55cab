"""Shares of a batch in threads: the same results as the whole, reproducibly, and really at once."""

import threading
import tracemalloc

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, ShapeError, Tensor, no_grad
from tinytorch.arch.convolutions import Conv2d, Flatten, MaxPool2d
from tinytorch.arch.ops.normalization import BatchNorm2d
from tinytorch.arch.transformers import Transformer
from tinytorch.core.activations import ReLU, relu
from tinytorch.core.context import current, listening, use
from tinytorch.core.dataloader import DataLoader, TensorDataset
from tinytorch.core.layers import Dropout, Linear, Module, Sequential
from tinytorch.core.losses import CrossEntropyLoss, cross_entropy
from tinytorch.core.optimizers import SGD
from tinytorch.core.training import Trainer
from tinytorch.opt.parallel import BatchParallel, parallel_step, replica


@pytest.fixture(autouse=True)
def one_blas_thread(monkeypatch):
    """As tox sets it: the tests of a newcomer shall not warn."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def mlp(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(6, 16, rng=rng), ReLU(), Linear(16, 4, rng=rng))


def cnn():
    rng = np.random.default_rng(0)
    return Sequential(
        Conv2d(3, 8, 3, padding=1, rng=rng),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Linear(128, 4, rng=rng),
    )


def examples(count, *shape, seed=1):
    rng = np.random.default_rng(seed)
    return Tensor(rng.standard_normal((count, *shape), np.float32)), Tensor(np.arange(count) % 4)


def gradients(model, compute):
    """The loss and, by name, the gradients that `compute()` leaves."""
    model.zero_grad()
    loss = compute()
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters()}


def require_close(got, expected):
    """Losses and gradients equal but for rounding."""
    assert got[0] == pytest.approx(expected[0], rel=1e-5)
    assert got[1].keys() == expected[1].keys()
    largest = max(np.abs(g).max() for g in expected[1].values() if g is not None)
    for name, g in expected[1].items():
        if g is None:
            assert got[1][name] is None
        else:
            np.testing.assert_allclose(got[1][name], g, rtol=1e-4, atol=1e-5 * largest)


# Equal
@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("build", [mlp, cnn])
def test_results_and_gradients_are_those_of_the_whole_batch(build, threads, count):
    model = build()
    x, y = examples(count, *((6,) if build is mlp else (3, 8, 8)))
    threaded = BatchParallel(model, threads)
    np.testing.assert_allclose(threaded(x).data, model(x).data, rtol=1e-5, atol=1e-6)
    whole = gradients(model, lambda: cross_entropy(model(x), y))
    require_close(gradients(model, lambda: cross_entropy(threaded(x), y)), whole)
    model.zero_grad()
    loss = parallel_step(model, CrossEntropyLoss(), x, y, threads)
    require_close((loss, {name: p.grad for name, p in model.named_parameters()}), whole)


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_that_returns_a_mean_over_examples_counts_each_share_by_its_size(tied):
    model = Transformer(
        11, d_model=8, n_heads=2, n_layers=2, context=6, tied=tied, rng=np.random.default_rng(0)
    )
    tokens = np.random.default_rng(1).integers(0, 11, (2, 5, 6))
    threaded = BatchParallel(model, 2)  # shares of 2 and 3 examples
    whole = gradients(model, lambda: model(*tokens))
    require_close(gradients(model, lambda: threaded(*tokens)), whole)
    require_close(gradients(model, lambda: threaded(*map(Tensor, tokens)) * 1.0), whole)
    model.zero_grad()
    loss = parallel_step(model, None, *tokens, threads=2)
    require_close((loss, {name: p.grad for name, p in model.named_parameters()}), whole)


def test_inputs_that_want_a_gradient_get_theirs_also_where_another_layer_made_them():
    x, y = examples(5, 6)
    before, model = Linear(6, 6, rng=np.random.default_rng(3)), mlp()
    both = Sequential(before, model)
    x.requires_grad = True
    whole = gradients(both, lambda: cross_entropy(model(before(x)), y))
    of_x, x.grad = x.grad, None
    require_close(
        gradients(both, lambda: cross_entropy(BatchParallel(model, 2)(before(x)), y)), whole
    )
    np.testing.assert_allclose(x.grad, of_x, rtol=1e-4, atol=1e-6)


def test_an_input_that_is_given_twice_gets_the_sum():
    class Product(Module):
        def forward(self, x, y):
            return x * y * y

    x = Tensor(np.arange(5.0), requires_grad=True)
    BatchParallel(Product(), 2)(x, x).sum().backward()
    np.testing.assert_allclose(x.grad, 3 * np.arange(5.0) ** 2, rtol=1e-6)


def test_after_backward_nothing_of_the_shares_is_kept_though_the_result_is():
    big = Sequential(Linear(500, 500, rng=np.random.default_rng(0)))
    x = Tensor(np.ones((4, 500)))
    held = []

    def step():
        held[:] = [BatchParallel(big, 2)(x)]
        held[0].backward(np.ones((4, 500)))

    tracemalloc.start()
    try:
        step()
        for p in big.parameters():
            p.grad = None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < big.layers[0].weight.data.nbytes / 2  # a gradient of either share would be more


def test_frozen_parameters_and_unused_ones_get_no_gradient():
    model = mlp()
    model.layers[0].requires_grad_(False)
    model.unused = Linear(2, 2)
    x, y = examples(6, 6)
    whole = gradients(model, lambda: cross_entropy(model(x), y))
    assert [name for name, g in whole[1].items() if g is None]
    require_close(gradients(model, lambda: cross_entropy(BatchParallel(model, 2)(x), y)), whole)


def test_gradients_add_to_what_is_there():
    model = mlp()
    x, y = examples(6, 6)
    parallel_step(model, CrossEntropyLoss(), x, y, 2)
    once = [p.grad.copy() for p in model.parameters()]
    parallel_step(model, CrossEntropyLoss(), x, y, 2)
    for p, g in zip(model.parameters(), once, strict=True):
        np.testing.assert_allclose(p.grad, 2 * g, rtol=1e-6)


def test_the_same_call_gives_the_same_bits_every_time():
    model, (x, y) = cnn(), examples(13, 3, 8, 8)
    runs = [
        gradients(model, lambda: cross_entropy(BatchParallel(model, 3)(x), y)) for _ in range(5)
    ]
    for loss, found in runs[1:]:
        assert loss == runs[0][0]
        for name, g in found.items():
            np.testing.assert_array_equal(g, runs[0][1][name])


def test_float64_stays_float64():
    model = mlp()
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
        p.requires_grad = False
    x = Tensor(np.ones((4, 6)), dtype=np.float64)
    out = BatchParallel(model, 2)(x)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.data, model(x).data, rtol=1e-12)


def test_a_trainer_learns_the_same_with_threads_and_without():
    x, y = examples(24, 6)
    losses = []
    for threads in (1, 2):
        model = mlp()
        wrapped = BatchParallel(model, threads)
        trainer = Trainer(
            wrapped, CrossEntropyLoss(), SGD(wrapped.parameters(), lr=0.1), progress=False
        )
        history = trainer.fit(DataLoader(TensorDataset(x, y), batch_size=8), epochs=2)
        losses.append([row["train_loss"] for row in history])
        assert trainer.evaluate(DataLoader(TensorDataset(x, y), batch_size=8))["loss"] > 0
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


# At once
class Meeting(Module):
    """Waits until as many threads are in it at the same time."""

    def __init__(self, parties, seen):
        self._barrier = threading.Barrier(parties)
        self._write_down = seen.append

    def forward(self, x):
        self._barrier.wait(timeout=20)
        self._write_down((threading.get_ident(), current().grad, current().kernels))
        return x


def test_the_shares_are_computed_at_the_same_time_in_the_context_of_the_caller():
    seen = []
    with no_grad(), use("plain"):
        out = BatchParallel(Meeting(3, seen), 3)(Tensor(np.arange(7)))
    assert out.tolist() == list(range(7))
    assert len({thread for thread, *_ in seen}) == 3
    assert all(settings == [False, "plain"] for _, *settings in seen)


def test_the_shares_pass_gradients_back_at_the_same_time():
    barrier = threading.Barrier(2)

    @tinytorch.core.primitive.primitive
    def met(x):
        return x * 1

    @tinytorch.core.primitive.gradient("met")
    def rule(g, call):
        barrier.wait(timeout=20)
        return g

    try:
        x = Tensor(np.ones(4), requires_grad=True)

        class Layer(Module):
            def forward(self, x):
                return met(x)

        BatchParallel(Layer(), 2)(x).sum().backward()
        assert x.grad.tolist() == [1, 1, 1, 1]
    finally:
        for table in ("_PRIMITIVES", "RULES"):
            getattr(tinytorch.core.primitive, table).pop("met")


def test_while_somebody_listens_the_whole_batch_runs_in_one_thread():
    model, (x, _) = mlp(), examples(6, 6)
    heard = []
    with listening(heard.append):
        BatchParallel(model, 2)(x)
    assert [event.record.primitive.name for event in heard] == ["linear", "relu", "linear"]
    assert heard[0].record.arrays[0].shape == (6, 6)


def test_one_inside_another_does_not_wait_for_itself():
    model, (x, _) = mlp(), examples(6, 6)
    nested = BatchParallel(Sequential(BatchParallel(model, 2), ReLU()), 2)
    np.testing.assert_allclose(nested(x).data, relu(model(x)).data, rtol=1e-5, atol=1e-6)


# What depends on the batch
def normalised():
    rng = np.random.default_rng(0)
    return Sequential(Conv2d(3, 4, 3, rng=rng), BatchNorm2d(4), Flatten(), Linear(144, 4, rng=rng))


def test_batch_statistics_are_refused_while_training_and_only_then():
    model, (x, _) = normalised(), examples(6, 3, 8, 8)
    with pytest.raises(ValueError, match=r"BatchNorm2d \(1\) is training.*own_statistics=True"):
        BatchParallel(model, 2)(x)
    model.eval()
    np.testing.assert_allclose(BatchParallel(model, 2)(x).data, model(x).data, rtol=1e-4, atol=1e-6)
    one_thread = BatchParallel(model.train(), 1)
    assert one_thread(x).shape == (6, 4)


def test_statistics_of_ones_own_normalise_each_share_and_are_averaged():
    x, _ = examples(6, 3, 8, 8)
    model = normalised()
    halves = [normalised(), normalised()]
    got = BatchParallel(model, 2, own_statistics=True)(x)
    expected = np.concatenate([h(x[a : a + 3]).data for h, a in zip(halves, (0, 3), strict=True)])
    np.testing.assert_allclose(got.data, expected, rtol=1e-4, atol=1e-6)
    norm, kept = model.layers[1], [h.layers[1] for h in halves]
    for name in ("running_mean", "running_var"):
        mean = np.mean([getattr(k, name).data for k in kept], axis=0)
        np.testing.assert_allclose(getattr(norm, name).data, mean, rtol=1e-5)
    assert norm.num_batches_tracked.item() == 1
    assert norm.running_mean.dtype == np.float32


class Counting(Module):
    """Writes into its buffer in place."""

    def __init__(self):
        self.register_buffer("seen", Tensor(np.zeros(1)))

    def forward(self, x):
        self.seen.data += len(x)
        return x


def test_a_buffer_that_is_written_in_place_is_not_written_by_two_threads():
    model = Counting()
    BatchParallel(model, 2, own_statistics=True)(Tensor(np.ones((6, 2))))
    assert model.seen.item() == 3  # the mean of two shares that saw 3 each


def test_dropout_draws_anew_for_each_share_and_the_same_for_the_same_seed():
    model = Sequential(Dropout(0.5))
    x = Tensor(np.ones((8, 50)))
    masks = []
    for _ in range(2):
        tinytorch.manual_seed(3)
        masks.append(BatchParallel(model, 2)(x).data)
    np.testing.assert_array_equal(*masks)
    assert not np.array_equal(masks[0][:4], masks[0][4:])
    assert (BatchParallel(model, 2)(x).data != masks[0]).any()
    assert (BatchParallel(model.eval(), 2)(x).data == 1).all()


def test_a_model_without_dropout_draws_nothing():
    model, (x, _) = Sequential(mlp(), Dropout(0.0)), examples(6, 6)
    rng = tinytorch.manual_seed(5)
    before = rng.bit_generator.state
    BatchParallel(model, 2)(x)
    assert rng.bit_generator.state == before


# Replicas
def test_a_replica_has_tensors_of_its_own_in_the_same_memory_and_keeps_what_is_shared_shared():
    model = mlp()
    model.again = {"first": [model.layers[0].weight], "layer": model.layers[0]}
    twin = replica(model, {})
    assert twin.layers[0] is not model.layers[0]
    assert twin.layers[0].weight is not model.layers[0].weight
    assert twin.layers[0].weight.data is model.layers[0].weight.data
    assert twin.again["first"][0] is twin.layers[0].weight
    assert twin.again["layer"] is twin.layers[0]
    assert [name for name, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]


def test_parameters_are_those_of_the_model_and_a_change_reaches_the_threads():
    model, (x, _) = mlp(), examples(6, 6)
    threaded = BatchParallel(model, 2)
    assert list(threaded.state_dict()) == [f"model.{name}" for name in model.state_dict()]
    assert all(p is q for p, q in zip(threaded.parameters(), model.parameters(), strict=True))
    first = threaded(x).data
    model.load_state_dict(mlp(seed=9).state_dict())
    assert not np.allclose(threaded(x).data, first)


# Refused
def test_inputs_of_different_lengths_and_results_that_are_no_rows_are_refused():
    class Odd(Module):
        def __init__(self, result):
            self.result = result

        def forward(self, x):
            return self.result(x)

    x = Tensor(np.ones((6, 2)))
    with pytest.raises(ShapeError, match=r"inputs of \[4, 6\] examples"):
        BatchParallel(mlp(), 2)(x, Tensor(np.ones(4)))
    with pytest.raises(ShapeError, match=r"for 3 examples the model returned \(2,\)"):
        BatchParallel(Odd(lambda x: x.sum(axis=0)), 2)(x)
    with pytest.raises(TypeError, match="the model returned a tuple"):
        BatchParallel(Odd(lambda x: (x, x)), 2)(x)
    with pytest.raises(TypeError, match="threads='2': it is a whole number, or None"):
        BatchParallel(mlp(), "2")
    with pytest.raises(ValueError, match="threads=0"):
        BatchParallel(mlp(), 0)
    with pytest.raises(ValueError, match='reduction="mean"'):
        parallel_step(mlp(), CrossEntropyLoss(reduction="sum"), x, x)


def test_an_error_in_a_share_is_raised_as_it_is_when_all_are_done():
    done = []

    class Picky(Module):
        def forward(self, x):
            if x.data[0] == 0:
                raise ValueError("not the first half")
            done.append(1)
            return x

    with pytest.raises(ValueError, match=r"^not the first half$"):
        BatchParallel(Picky(), 2)(Tensor(np.arange(4)))
    assert done == [1]
    with pytest.raises(ShapeError, match=r"^linear: the last axis of x \(3, 5\)"):
        BatchParallel(mlp(), 2)(Tensor(np.ones((6, 5))))


def test_a_second_backward_says_that_the_graphs_of_the_shares_are_gone():
    model, (x, y) = mlp(), examples(6, 6)
    loss = cross_entropy(BatchParallel(model, 2)(x), y)
    loss.backward(retain_graph=True)
    with pytest.raises(GradientError, match=r"released them\. Compute the forward again"):
        loss.backward()
