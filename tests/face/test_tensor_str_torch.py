"""Printed tensors compared with PyTorch's, character for character, on generated cases."""

import itertools

import numpy as np
import pytest

from plait import _tensor_str

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

SHAPES = [(), (1,), (7,), (30,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (1001,), (40, 40), (2, 9, 70)]
EMPTY = [(0,), (0, 3), (2, 0, 4)]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTS = ["uint8", "int8", "int16", "int32", "int64", "bool"]


@pytest.fixture(autouse=True)
def default_options():
    yield
    _tensor_str.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def values_of(tensor):
    tensor = tensor.detach().resolve_conj()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def assert_same(tensor, **facts):
    name = str(tensor.dtype).removeprefix("torch.")
    facts.setdefault("requires_grad", tensor.requires_grad)
    assert _tensor_str.tensor_str(values_of(tensor), name, **facts) == repr(tensor)


def float_values(kind, shape, seed):
    """Numbers of one character: whole, plain, wide in range, tiny, huge, with specials."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "whole":
        return (x * 100).round()
    if kind == "wide":
        return x * 10 ** (x * 4)
    if kind == "tiny":
        return x * 1e-5
    if kind == "huge":
        return (x * 1e9).round()
    if kind == "specials":
        picks = torch.randint(0, 6, shape, generator=generator)
        table = torch.tensor([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1.5])
        return table.double()[picks]
    if kind == "whole specials":
        picks = torch.randint(0, 4, shape, generator=generator)
        return torch.tensor([float("nan"), -float("inf"), 12.0, 0.0]).double()[picks]
    return x


KINDS = ["plain", "whole", "wide", "tiny", "huge", "specials", "whole specials"]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_floats(dtype, kind):
    for seed, shape in enumerate(SHAPES):
        assert_same(float_values(kind, shape, seed).to(getattr(torch, dtype)))


@pytest.mark.parametrize("dtype", INTS)
def test_integers_and_booleans(dtype):
    generator = torch.Generator().manual_seed(1)
    for shape in SHAPES:
        for low, high in ((0, 2), (-9, 10), (-120, 120)):
            tensor = torch.randint(low, high, shape, generator=generator)
            assert_same(tensor.to(getattr(torch, dtype)))
    if dtype == "int64":
        assert_same(torch.tensor([-(2**63), 2**63 - 1, 0]))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
def test_complex(dtype, kind):
    for seed, shape in enumerate(SHAPES):
        real, imag = float_values(kind, shape, seed), float_values("plain", shape, seed + 50)
        assert_same(torch.complex(real, imag).to(getattr(torch, dtype)))
        assert_same(torch.complex(imag, real).to(getattr(torch, dtype)))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS, "complex64"])
def test_empty(dtype):
    for shape in EMPTY:
        assert_same(torch.zeros(shape, dtype=getattr(torch, dtype)))


def test_gradient_facts_and_parameters():
    for shape in [(), (3,), (9,), (4, 4), (12, 6), (0,), (0, 2)]:
        leaf = torch.linspace(0, 3, int(np.prod(shape))).reshape(shape).requires_grad_()
        assert_same(leaf)
        assert_same(leaf + 1, grad_fn_name="AddBackward0")
        assert_same(leaf.double() * 2, grad_fn_name="MulBackward0")
        assert_same(torch.nn.Parameter(leaf.detach()), is_parameter=True)
        assert_same(torch.nn.Parameter(leaf.detach(), False), is_parameter=True)


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        for dtype in ("float32", "float64", "complex64", "complex128", "int64"):
            tensor = torch.ones(3, dtype=getattr(torch, dtype))
            assert_same(tensor, default_dtype="float64")
            assert_same(tensor[:0], default_dtype="float64")
    finally:
        torch.set_default_dtype(torch.float32)


def test_subclass_prefix():
    class Weights(torch.Tensor):
        pass

    tensor = torch.arange(60.0).reshape(3, 20).as_subclass(Weights)
    text = _tensor_str.tensor_str(
        tensor.as_subclass(torch.Tensor).numpy(), "float32", prefix="Weights("
    )
    assert text == repr(tensor)


OPTION_SETS = [
    {"precision": 0},
    {"precision": 8},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"linewidth": 40},
    {"linewidth": 10},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6},
]


@pytest.mark.parametrize("options", OPTION_SETS, ids=str)
def test_options(options):
    torch.set_printoptions(**options)
    _tensor_str.set_printoptions(**options)
    shapes = [(), (5,), (30,), (1001,), (4, 5), (2, 3, 4), (8, 9)]
    for (seed, shape), kind in itertools.product(enumerate(shapes), KINDS):
        x = float_values(kind, shape, seed)
        assert_same(x.float())
        assert_same(torch.complex(x, x.flip(0) if x.ndim else x))
    for shape in shapes:
        assert_same(torch.arange(int(np.prod(shape))).reshape(shape))
    assert _tensor_str.get_printoptions() == torch._tensor_str.get_printoptions()
