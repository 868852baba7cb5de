"""Collating: PyTorch's rules by type, and the two fast ways against the slow one."""

from collections import OrderedDict, UserList, namedtuple

import numpy as np
import pytest

import plait
from plait.utils import data
from plait.utils.data._utils.fetch import _MapDatasetFetcher, _rows_at_once

Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_tensors_are_stacked(name, shape):
    dtype = getattr(plait, name)
    items = [plait.ones(shape).mul(k).to(dtype) for k in range(4)]
    batch = data.default_collate(items)
    assert batch.dtype == dtype
    assert tuple(batch.shape) == (4, *shape)
    assert batch.tolist() == plait.stack(items).tolist()


def test_batches_are_fresh_memory():
    item = plait.zeros(3)
    batch = data.default_collate([item, item])
    batch[0] = 1
    assert item.tolist() == [0, 0, 0]
    assert batch[1].tolist() == [0, 0, 0]


def test_gradients_pass_through():
    item = plait.ones(2, requires_grad=True)
    data.default_collate([item, item]).sum().backward()
    assert item.grad.tolist() == [2, 2]


def test_views_are_stacked_by_value():
    base = plait.arange(6).reshape(2, 3).t()
    assert data.default_collate([base, base])[1].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("batch", "dtype"),
    [
        ([1, 2], "int64"),
        ([1.5, 2.5], "float64"),
        ([True, False], "bool"),
        ([np.float32(1.5), np.float32(2)], "float32"),
        ([np.float64(1.5), np.float64(2)], "float64"),
        ([np.int32(1), np.int32(2)], "int32"),
        ([np.ones(2, np.float32), np.zeros(2, np.float32)], "float32"),
        ([np.ones((), np.int64), np.zeros((), np.int64)], "int64"),
    ],
)
def test_numbers_and_arrays(batch, dtype):
    out = data.default_collate(batch)
    assert out.dtype == getattr(plait, dtype)
    assert out.tolist() == np.asarray(batch).tolist()


def test_containers():
    items = [{"a": (k, "s"), "b": Point(k, [k, k])} for k in range(2)]
    out = data.default_collate(items)
    assert out["a"][0].tolist() == [0, 1]
    assert isinstance(out["a"], list)
    assert out["a"][1] == ("s", "s")
    assert type(out["b"]) is Point
    assert [t.tolist() for t in out["b"].y] == [[0, 1], [0, 1]]
    ordered = data.default_collate([OrderedDict(x=1)])
    assert type(ordered) is OrderedDict
    assert type(data.default_collate([UserList([1, 2])])) is UserList
    assert data.default_collate([b"a", b"b"]) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ([None], TypeError, "found <class 'NoneType'>"),
        ([object()], TypeError, "batch must contain tensors, numpy arrays, numbers"),
        ([np.array(["a"])], TypeError, "found <U1"),
        ([[1, 2], [1]], RuntimeError, "should be of equal size"),
        ([], IndexError, "index out of range"),
    ],
)
def test_errors(batch, error, words):
    with pytest.raises(error, match=words):
        data.default_collate(batch)


def test_different_sizes_are_refused():
    with pytest.raises(RuntimeError, match="equal size"):
        data.default_collate([plait.zeros(2), plait.zeros(3)])


def test_convert():
    out = data.default_convert({"a": np.arange(2), "b": (np.float32(1.5), "s"), "c": Point(1, 2)})
    assert out["a"].tolist() == [0, 1]
    assert isinstance(out["b"], list)
    assert float(out["b"][0]) == 1.5
    assert out["b"][1] == "s"
    assert out["c"] == Point(1, 2)
    text = np.array(["a", "b"])
    assert data.default_convert(text) is text


def tensor_dataset():
    return data.TensorDataset(plait.arange(12.0).reshape(6, 2), plait.arange(6))


def slow(dataset, indices):
    return data.default_collate([dataset[index] for index in indices])


@pytest.mark.parametrize("indices", [[0], [5, 1, 1], [-1, 2], list(range(6))])
def test_one_gather_equals_items(indices):
    for dataset in (tensor_dataset(), data.Subset(tensor_dataset(), [3, 1, 0, 2, 5, 4])):
        fast = _rows_at_once(dataset, indices)
        assert fast is not None
        expected = slow(dataset, indices)
        assert [t.tolist() for t in fast] == [t.tolist() for t in expected]
        assert [t.dtype for t in fast] == [t.dtype for t in expected]


def test_one_gather_gives_fresh_memory():
    dataset = tensor_dataset()
    _rows_at_once(dataset, [0, 1])[0][:] = -1
    assert dataset.tensors[0][0].tolist() == [0, 1]


def test_where_items_may_mean_something_else_each_is_asked():
    class Twice(data.TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * tensor for tensor in super().__getitem__(index))

    dataset = Twice(plait.arange(3))
    fetcher = _MapDatasetFetcher(dataset, True, data.default_collate, False)
    assert fetcher.fetch([1, 2])[0].tolist() == [2, 4]
    with_grad = data.TensorDataset(plait.ones(2, requires_grad=True))
    assert _rows_at_once(with_grad, [0]) is None
    assert _rows_at_once(tensor_dataset(), [slice(0, 2)]) is None
    assert _rows_at_once(tensor_dataset(), []) is None


def test_index_out_of_range():
    with pytest.raises(IndexError):
        next(iter(data.DataLoader(tensor_dataset(), batch_sampler=[[0, 6]])))[0].tolist()
