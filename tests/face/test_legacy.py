"""The old tensor types and storages."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch
from plait._legacy import TENSOR_TYPES, dtype_of_type_name
from plait._storage import STORAGE_TYPES, TypedStorage


def test_constructors() -> None:
    assert torch.FloatTensor(2, 3).shape == (2, 3)
    assert torch.FloatTensor([1, 2]).tolist() == [1.0, 2.0]
    assert torch.LongTensor(np.array([1.0, 2.0])).dtype is torch.int64
    assert torch.ByteTensor().numel() == 0
    assert torch.DoubleTensor(torch.Size([2])).shape == (2,)
    assert torch.FloatTensor([np.ones(2), np.zeros(2)]).shape == (2, 2)
    assert torch.FloatTensor(torch.ones(2)).tolist() == [1.0, 1.0]


def test_constructors_refuse_what_pytorch_refuses() -> None:
    with pytest.raises(TypeError, match="data must be a sequence"):
        torch.FloatTensor(3.5)
    with pytest.raises(TypeError, match="expected a tensor of dtype"):
        torch.LongTensor(torch.ones(1))


def test_instances_are_known_by_dtype() -> None:
    x = torch.ones(2)
    assert isinstance(x, torch.FloatTensor)
    assert not isinstance(x, torch.DoubleTensor)
    assert not isinstance(np.ones(2, np.float32), torch.FloatTensor)
    assert not issubclass(torch.FloatTensor, torch.Tensor)
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    assert torch.HalfTensor.dtype is torch.float16


def test_every_type_names_its_dtype() -> None:
    for name, kind in TENSOR_TYPES.items():
        x = kind([0, 1])
        assert x.type() == f"torch.{name}"
        assert dtype_of_type_name(f"torch.{name}") is x.dtype
        assert torch.ones(2).type(f"torch.{name}").dtype is x.dtype
        assert torch.ones(2).type(kind).dtype is x.dtype
    with pytest.raises(ValueError, match="invalid type"):
        dtype_of_type_name("torch.NoTensor")
    with pytest.raises(RuntimeError, match="not available"):
        torch.ones(2).type("torch.cuda.FloatTensor")


def test_default_type() -> None:
    try:
        torch.set_default_tensor_type(torch.DoubleTensor)
        assert torch.zeros(1).dtype is torch.float64
        assert torch.FloatTensor([1]).dtype is torch.float32
    finally:
        torch.set_default_tensor_type("torch.FloatTensor")
    with pytest.raises(TypeError, match="only floating-point types"):
        torch.set_default_tensor_type("torch.LongTensor")


def test_storages_share_memory() -> None:
    x = torch.arange(6).reshape(2, 3)
    storage = x[1].storage()
    assert isinstance(storage, TypedStorage) and storage.tolist() == [0, 1, 2, 3, 4, 5]
    assert storage.data_ptr() == x.storage().data_ptr()
    storage[4] = 40
    assert x.tolist() == [[0, 1, 2], [3, 40, 5]]
    assert len(x.untyped_storage()) == x.untyped_storage().nbytes() == 48
    assert storage.tensor().tolist() == [0, 1, 2, 3, 40, 5]
    with pytest.raises(RuntimeError, match="resize"):
        storage.resize_(0)


def test_storage_types() -> None:
    made = STORAGE_TYPES["FloatStorage"]([1, 2])
    assert made.tolist() == [1.0, 2.0]
    assert isinstance(made, STORAGE_TYPES["FloatStorage"])
    assert not isinstance(made, STORAGE_TYPES["LongStorage"])
    assert repr(made) == (
        " 1.0\n 2.0\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]"
    )
    assert torch.FloatTensor(made).tolist() == [1.0, 2.0]
