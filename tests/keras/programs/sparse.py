"""Sparse tensors: each function against NumPy on the dense array, gradients, training."""

import sys

import keras
import numpy as np
from keras import layers, ops

import plait as torch

DRAW = np.random.default_rng(0)


def table(*shape: int, share: float = 0.4) -> np.ndarray:
    drawn = DRAW.normal(size=shape) * (DRAW.random(shape) < share)
    return (drawn + 0.0).astype("float32")  # no negative zeros, which no place keeps


def sparse(x: np.ndarray, axes: int | None = None):
    return torch.tensor(x).to_sparse(axes)


def check(found, expected, stays: bool) -> None:
    assert bool(getattr(found, "is_sparse", False)) == stays, found
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-6)


def elementwise() -> None:
    x, y = table(4, 5), table(4, 5)
    for axes in (1, 2):
        a, b = sparse(x, axes), sparse(y, axes)
        check(ops.sin(a), np.sin(x), True)
        check(ops.exp(a), np.exp(x), False)
        check(ops.add(a, b), x + y, True)
        check(ops.maximum(a, b), np.maximum(x, y), True)
        check(ops.subtract(a, y), x - y, False)
        check(ops.multiply(a, b), x * y, True)
        check(ops.multiply(a, y), x * y, True)
        check(ops.multiply(y[0], a), x * y[0], True)
        check(ops.multiply(2.0, a), 2 * x, True)
        check(ops.divide(a, 2), x / 2, True)
        with np.errstate(divide="ignore", invalid="ignore"):
            check(ops.divide(a, y), x / y, True)
            check(ops.divide(a, b), x / y, False)
    # Different axes are sparse: what both have is dense.
    check(ops.add(sparse(x, 1), sparse(y, 2)), x + y, False)
    doubled = ops.add(a, a)
    check(ops.square(doubled), 4 * x * x, True)
    # Places that repeat add up before a function that is not linear.
    twice = torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,))
    check(ops.square(twice), np.array([9, 0, 0]), True)


def axes() -> None:
    x = table(3, 1, 4)
    a = sparse(x)
    check(ops.sum(a, 0), x.sum(0), True)
    check(ops.sum(a, (0, 2), keepdims=True), x.sum((0, 2), keepdims=True), True)
    check(ops.sum(a), x.sum(), True)
    check(ops.mean(a, (0, 1)), x.mean((0, 1)), True)
    check(ops.mean(sparse(x, 1), 0), x.mean(0), False)
    check(ops.reshape(a, (-1, 2)), x.reshape(-1, 2), True)
    check(ops.reshape(sparse(x, 1), (-1, 1, 4)), x, True)
    check(ops.transpose(a), x.T, True)
    check(ops.transpose(sparse(x, 1), (0, 2, 1)), x.transpose(0, 2, 1), True)
    check(ops.squeeze(a), x[:, 0], True)
    check(ops.squeeze(sparse(x, 1), 1), x[:, 0], True)
    check(ops.expand_dims(sparse(x, 1), (0, 4)), x[None, ..., None], True)
    for kept in (1, 3):
        for axis in (0, 2):
            joined = ops.concatenate([sparse(x, kept), sparse(2 * x, kept)], axis)
            check(joined, np.concatenate([x, 2 * x], axis), True)
    check(ops.concatenate([a, x], 1), np.concatenate([x, x], 1), False)


def products() -> None:
    x, y = table(2, 3, 4), table(2, 4, 5)
    a, b = sparse(x), sparse(y)
    check(ops.matmul(a, y), x @ y, False)
    check(ops.matmul(x, b), x @ y, False)
    check(ops.matmul(a, b), x @ y, True)
    check(ops.matmul(a, y[0]), x @ y[0], False)
    check(ops.matmul(sparse(x[0]), y), x[0] @ y, False)
    check(ops.take(y[0], sparse(np.array([[0, 3], [1, 0]]))), y[0].take([[0, 3], [1, 0]]), False)
    numbers = np.array([[1, 1, 4], [0, 2, 2]])
    counted = np.array([[0, 2, 0, 0, 1], [1, 0, 2, 0, 0]])
    check(ops.bincount(numbers, sparse=True), counted, True)
    check(ops.one_hot(numbers, 4, sparse=True), ops.one_hot(numbers, 4), True)
    check(ops.multi_hot(numbers, 5, sparse=True), counted > 0, True)


def gradients() -> None:
    """Through a sparse operand to the dense one."""
    x, w = table(6, 4), torch.tensor(table(4, 3, share=1.0), requires_grad=True)
    torch.sum(torch.sin(ops.matmul(sparse(x), w))).backward()
    np.testing.assert_allclose(w.grad, x.T @ np.cos(x @ w.detach().numpy()), atol=1e-5)


def refusals() -> None:
    """A function without a rule takes no sparse tensor, and says so."""
    a = sparse(table(3, 4))
    for call in (lambda: ops.sort(a), lambda: ops.relu(a), lambda: ops.einsum("ij->ji", a)):
        try:
            call()
        except NotImplementedError as refusal:
            assert "to_dense()" in str(refusal), refusal
        else:
            raise AssertionError("a sparse tensor was taken for a dense one")
    try:
        ops.multiply(sparse(table(3, 1)), np.ones((3, 4), "float32"))
    except ValueError as refusal:
        assert "not broadcast" in str(refusal), refusal
    else:
        raise AssertionError("a sparse tensor was broadcast")


def training() -> None:
    """The same losses with sparse batches as with dense ones, compiled or not."""
    batches = [(table(8, 30, share=s), DRAW.random((8, 3), "float32")) for s in (0.1, 0.3, 0.0)] * 4
    found = []
    for eager in (False, True):
        for form in (sparse, np.asarray):
            keras.utils.set_random_seed(0)
            inputs = keras.Input((30,), sparse=form is sparse)
            model = keras.Model(inputs, layers.Dense(3)(layers.Dense(8, "tanh")(inputs)))
            model.compile("adam", "mse", run_eagerly=eager)
            losses: list[float] = []
            note = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs, losses=losses: losses.append(logs["loss"])
            )
            model.fit(((form(x), y) for x, y in batches), verbose=0, callbacks=[note])
            assert len(losses) == len(batches)
            found.append(np.array(losses, "float32"))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4)


def of_scipy() -> None:
    """A matrix of SciPy's, where it is installed."""
    try:
        from scipy.sparse import csr_matrix
    except ImportError:
        return
    x = table(5, 6)
    check(ops.convert_to_tensor(csr_matrix(x)), x, True)
    check(ops.convert_to_tensor(csr_matrix(x), sparse=False), x, False)


NAMES = ("elementwise", "axes", "products", "gradients", "refusals", "training", "of_scipy")

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        globals()[name]()
        print(name, "ok")
