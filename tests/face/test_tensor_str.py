"""Printed tensors against texts that PyTorch 2.13 gave; needs no PyTorch."""

import ml_dtypes
import numpy as np
import pytest

from plait import _tensor_str

# name, values, dtype, facts, PyTorch's text
STORED = [
    ("0-d float", np.array(3.14159, np.float32), "float32", {}, "tensor(3.1416)"),
    ("0-d int", np.array(7), "int64", {}, "tensor(7)"),
    ("whole floats", np.arange(4, dtype=np.float32), "float32", {}, "tensor([0., 1., 2., 3.])"),
    (
        "mixed signs",
        np.array([[1.5, -2.25], [100, 0]], np.float32),
        "float32",
        {},
        ("tensor([[  1.5000,  -2.2500],\n        [100.0000,   0.0000]])"),
    ),
    (
        "scientific",
        np.array([1e-6, 1.0], np.float32),
        "float32",
        {},
        "tensor([1.0000e-06, 1.0000e+00])",
    ),
    (
        "specials",
        np.array([np.nan, np.inf, -np.inf, 1]),
        "float64",
        {},
        "tensor([nan, inf, -inf, 1.], dtype=torch.float64)",
    ),
    (
        "half",
        np.array([0.1, 2], np.float16),
        "float16",
        {},
        "tensor([0.1000, 2.0000], dtype=torch.float16)",
    ),
    ("bool", np.array([True, False]), "bool", {}, "tensor([ True, False])"),
    (
        "complex",
        np.array([1 + 2j, -0.5j], np.complex64),
        "complex64",
        {},
        "tensor([1.+2.0000j, -0.-0.5000j])",
    ),
    ("summary", np.arange(2000), "int64", {}, "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (
        "summary of a matrix",
        np.arange(1200, dtype=np.float32).reshape(30, 40),
        "float32",
        {},
        (
            "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 3.7000e+01, 3.8000e+01,\n"
            "         3.9000e+01],\n"
            "        [4.0000e+01, 4.1000e+01, 4.2000e+01,  ..., 7.7000e+01, 7.8000e+01,\n"
            "         7.9000e+01],\n"
            "        [8.0000e+01, 8.1000e+01, 8.2000e+01,  ..., 1.1700e+02, 1.1800e+02,\n"
            "         1.1900e+02],\n"
            "        ...,\n"
            "        [1.0800e+03, 1.0810e+03, 1.0820e+03,  ..., 1.1170e+03, 1.1180e+03,\n"
            "         1.1190e+03],\n"
            "        [1.1200e+03, 1.1210e+03, 1.1220e+03,  ..., 1.1570e+03, 1.1580e+03,\n"
            "         1.1590e+03],\n"
            "        [1.1600e+03, 1.1610e+03, 1.1620e+03,  ..., 1.1970e+03, 1.1980e+03,\n"
            "         1.1990e+03]])"
        ),
    ),
    (
        "three axes",
        np.zeros((2, 2, 1), np.int32),
        "int32",
        {},
        ("tensor([[[0],\n         [0]],\n\n        [[0],\n         [0]]], dtype=torch.int32)"),
    ),
    (
        "long row",
        np.arange(20) * 1000,
        "int64",
        {},
        (
            "tensor([    0,  1000,  2000,  3000,  4000,  5000,  6000,  7000,  8000,  9000,\n"
            "        10000, 11000, 12000, 13000, 14000, 15000, 16000, 17000, 18000, 19000])"
        ),
    ),
    ("empty", np.zeros((0, 3), np.float32), "float32", {}, "tensor([], size=(0, 3))"),
    ("empty int", np.zeros(0, np.int64), "int64", {}, "tensor([], dtype=torch.int64)"),
    (
        "leaf",
        np.ones(2, np.float32),
        "float32",
        {"requires_grad": True},
        "tensor([1., 1.], requires_grad=True)",
    ),
    (
        "result",
        np.array(2, np.float32),
        "float32",
        {"requires_grad": True, "grad_fn_name": "MulBackward0"},
        "tensor(2., grad_fn=<MulBackward0>)",
    ),
    (
        "parameter",
        np.ones((1, 2), np.float32),
        "float32",
        {"requires_grad": True, "is_parameter": True},
        ("Parameter containing:\ntensor([[1., 1.]], requires_grad=True)"),
    ),
]


@pytest.mark.parametrize(
    ("values", "dtype", "facts", "text"), [case[1:] for case in STORED], ids=[c[0] for c in STORED]
)
def test_stored_texts(values, dtype, facts, text):
    assert _tensor_str.tensor_str(values, dtype, **facts) == text


def test_bfloat16():
    values = np.array([0.1, 2], ml_dtypes.bfloat16)
    text = _tensor_str.tensor_str(values, "bfloat16")
    assert text == "tensor([0.1001, 2.0000], dtype=torch.bfloat16)"


def test_device_is_named_when_given():
    text = _tensor_str.tensor_str(np.ones(1, np.float32), "float32", device="cuda:0")
    assert text == "tensor([1.], device='cuda:0')"


def test_options_hold_inside_the_block_only():
    values = np.array([1.23456789])
    with _tensor_str.printoptions(precision=2, sci_mode=True):
        assert _tensor_str.tensor_str(values, "float64", default_dtype="float64") == (
            "tensor([1.23e+00])"
        )
    assert _tensor_str.get_printoptions()["precision"] == 4
    assert _tensor_str.get_printoptions()["sci_mode"] is None


def test_unknown_profile_changes_nothing():
    before = _tensor_str.get_printoptions()
    with pytest.raises(ValueError, match="default, short, full"):
        _tensor_str.set_printoptions(profile="loud", precision=9)
    assert _tensor_str.get_printoptions() == before


def test_a_large_tensor_is_not_copied():
    # Eight terabytes, were it copied.
    values = np.broadcast_to(np.float32(1), (1 << 20, 1 << 20))
    row = "[1., 1., 1.,  ..., 1., 1., 1.]"
    assert _tensor_str.tensor_str(values, "float32").count(row) == 6
