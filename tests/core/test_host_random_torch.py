"""Host draws against the real PyTorch: the same values and the same state afterwards."""

import numpy as np
import pytest

from plait.core.runtime import host_random as hr
from plait.core.runtime.generator import Generator

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
ml_dtypes = pytest.importorskip("ml_dtypes")

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {
    "float32": (np.dtype(np.float32), torch.float32),
    "float64": (np.dtype(np.float64), torch.float64),
    "float16": (np.dtype(np.float16), torch.float16),
    "bfloat16": (BF16, torch.bfloat16),
}
SIZES = (*range(41), 100, 1000, 4097)


def pair(seed):
    """Our generator and PyTorch's, from one seed."""
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def as_array(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(BF16)
    return tensor.numpy()


def assert_same(ours, theirs, gen=None, tgen=None):
    theirs = as_array(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert ours.tobytes() == theirs.tobytes()
    if gen is not None:
        assert np.array_equal(gen.get_state(), tgen.get_state().numpy())


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("bounds", [(0, 1), (-0.3, 0.7), (0, 3), (1, 1.0000002), (-1.7, 3.3)])
def test_uniform(name, bounds):
    dtype, tdtype = FLOATS[name]
    for size in SIZES:
        gen, tgen = pair(size)
        theirs = torch.empty(size, dtype=tdtype).uniform_(*bounds, generator=tgen)
        assert_same(hr.uniform(gen, size, dtype, *bounds), theirs, gen, tgen)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("moments", [(0, 1), (0.3, 1.7), (5, 0)])
def test_normal(name, moments):
    dtype, tdtype = FLOATS[name]
    for size in SIZES:
        gen, tgen = pair(size + 17)
        theirs = torch.empty(size, dtype=tdtype).normal_(*moments, generator=tgen)
        ours = hr.normal(gen, size, dtype, *moments)
        if name == "float64" and size >= 16:
            # NumPy's log and cos against the C library's: each within an ulp or two.
            np.testing.assert_allclose(ours, as_array(theirs), rtol=1e-15, atol=2e-15)
            assert np.array_equal(gen.get_state(), tgen.get_state().numpy())
        else:
            assert_same(ours, theirs, gen, tgen)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32, np.int64, np.float32])
@pytest.mark.parametrize("bounds", [(0, 2), (0, 100), (3, 127)])
def test_small_integers(dtype, bounds):
    for size in SIZES:
        gen, tgen = pair(size)
        tdtype = getattr(torch, np.dtype(dtype).name)
        theirs = torch.randint(*bounds, (size,), dtype=tdtype, generator=tgen)
        assert_same(hr.integers(gen, *bounds, size, dtype), theirs, gen, tgen)


@pytest.mark.parametrize(
    "bounds",
    [(0, 2**28 - 1), (0, 2**28), (-5, 2**32), (-(2**63), 2**63 - 1), (-(2**40), 2**50), (7, 8)],
)
def test_wide_integers(bounds):
    gen, tgen = pair(3)
    theirs = torch.randint(*bounds, (257,), generator=tgen)
    assert_same(hr.integers(gen, *bounds, 257), theirs, gen, tgen)


def test_whole_int64():
    gen, tgen = pair(3)
    theirs = torch.empty(100, dtype=torch.int64).random_(-(2**63), None, generator=tgen)
    assert_same(hr.integers(gen, -(2**63), 2**63, 100), theirs, gen, tgen)


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "int16", "int32", "int64", *FLOATS])
def test_random_without_bounds(name):
    dtype = BF16 if name == "bfloat16" else np.dtype(name)
    gen, tgen = pair(8)
    theirs = torch.empty(500, dtype=getattr(torch, name)).random_(generator=tgen)
    assert_same(hr.integers_full(gen, 500, dtype), theirs, gen, tgen)


def test_permutation():
    for size in (*SIZES, 70_000):
        gen, tgen = pair(size)
        assert_same(hr.permutation(gen, size), torch.randperm(size, generator=tgen), gen, tgen)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16"])
def test_bernoulli_scalar(p, name):
    dtype, tdtype = FLOATS[name]
    for size in (0, 1, 17, 1000):
        gen, tgen = pair(size)
        theirs = torch.empty(size, dtype=tdtype).bernoulli_(p, generator=tgen)
        assert_same(hr.bernoulli_scalar(gen, size, p, dtype), theirs, gen, tgen)


@pytest.mark.parametrize("name", FLOATS)
def test_bernoulli(name):
    for size in (0, 1, 17, 1000):
        gen, tgen = pair(size)
        p = torch.linspace(0, 1, size).to(FLOATS[name][1])
        assert_same(hr.bernoulli(gen, as_array(p)), torch.bernoulli(p, generator=tgen), gen, tgen)


def test_dropout_mask():
    gen = Generator().manual_seed(4)
    torch.manual_seed(4)
    theirs = torch.nn.functional.dropout(torch.ones(333), 0.3)
    ours = hr.bernoulli_scalar(gen, 333, 0.7) / np.float32(0.7)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("size", [0, 1, 15, 1000])
def test_continuous_by_formula(name, size):
    dtype, tdtype = FLOATS[name]
    # The uniforms are the same; log1p, tan and exp differ by an ulp or two of float64, which a
    # rounding to a narrower dtype can turn into one unit in the last place there.
    tolerance = {"float64": 1e-13, "float32": 1.2e-7, "float16": 1e-3, "bfloat16": 8e-3}[name]
    gen, tgen = pair(size)
    cases = (
        (hr.exponential(gen, size, dtype, 2.5), "exponential_", (2.5,)),
        (hr.cauchy(gen, size, dtype, 0.5, 2.0), "cauchy_", (0.5, 2.0)),
        (hr.log_normal(gen, size, dtype, 0.5, 0.7), "log_normal_", (0.5, 0.7)),
        (hr.geometric(gen, size, 0.3, dtype), "geometric_", (0.3,)),
    )
    for ours, method, arguments in cases:
        theirs = getattr(torch.empty(size, dtype=tdtype), method)(*arguments, generator=tgen)
        assert ours.dtype == dtype
        np.testing.assert_allclose(
            ours.astype(np.float64), theirs.double().numpy(), rtol=tolerance, atol=1e-300
        )
    assert np.array_equal(gen.get_state(), tgen.get_state().numpy())


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("samples", [1, 3, 20])
def test_multinomial(name, replacement, samples):
    for seed in range(20):
        gen, tgen = pair(seed)
        weights = torch.rand(3, 40, generator=torch.Generator().manual_seed(seed))
        weights = torch.where(weights < 0.1, 0.0, weights).to(FLOATS[name][1])
        theirs = torch.multinomial(weights, samples, replacement, generator=tgen).numpy()
        ours = hr.multinomial(gen, as_array(weights), samples, replacement)
        if replacement or name in ("float32", "float64"):
            assert np.array_equal(ours, theirs)
        else:
            # 16-bit arrival times tie, and PyTorch's order within a tie is that of its sort.
            assert (ours == theirs).mean() > 0.9
        assert np.array_equal(gen.get_state(), tgen.get_state().numpy())


def test_interleaved_draws():
    for seed in range(25):
        gen, tgen = pair(seed)
        choose = np.random.default_rng(seed)
        for _ in range(30):
            size = int(choose.integers(0, 60))
            kind = int(choose.integers(0, 6))
            if kind == 0:
                assert_same(hr.uniform(gen, size), torch.rand(size, generator=tgen))
            elif kind == 1:
                assert_same(hr.normal(gen, size), torch.randn(size, generator=tgen))
            elif kind == 2:
                assert_same(hr.permutation(gen, size), torch.randperm(size, generator=tgen))
            elif kind == 3:
                theirs = torch.randint(0, 10, (size,), generator=tgen)
                assert_same(hr.integers(gen, 0, 10, size), theirs)
            elif kind == 4:
                small = size % 16
                theirs = torch.randn(small, dtype=torch.float64, generator=tgen)
                assert_same(hr.normal(gen, small, np.float64), theirs)
            else:
                theirs = torch.empty(size).bernoulli_(0.4, generator=tgen)
                assert_same(hr.bernoulli_scalar(gen, size, 0.4), theirs)
        assert np.array_equal(gen.get_state(), tgen.get_state().numpy())


@pytest.mark.parametrize("seed", [0, 5, -1, -(2**63), 2**63, 2**64 - 1, 2**32, 123456789123])
def test_seeds(seed):
    gen, tgen = pair(seed)
    assert gen.initial_seed() == tgen.initial_seed()
    assert np.array_equal(gen.get_state(), tgen.get_state().numpy())
    assert_same(hr.uniform(gen, 10), torch.rand(10, generator=tgen))


def test_seed_out_of_range_raises_as_there():
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            torch.Generator().manual_seed(seed)
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            Generator().manual_seed(seed)


def test_default_seed():
    assert Generator().initial_seed() == torch.Generator().initial_seed()


@pytest.mark.parametrize("drawn", [0, 1, 7, 623, 624, 625, 1248])
@pytest.mark.parametrize("normals", [0, 1, 2])
def test_states_cross(drawn, normals):
    """Ours into PyTorch and PyTorch's into ours, with the Philox offset as a stowaway."""
    gen, tgen = pair(11)
    for _ in range(3):
        gen.next_counter()
    hr.uniform(gen, drawn)
    hr.normal(gen, normals)
    torch.rand(drawn, generator=tgen)
    torch.randn(normals, generator=tgen)
    theirs = tgen.get_state()
    there = torch.Generator()
    there.set_state(torch.from_numpy(gen.get_state()))
    assert torch.equal(there.get_state(), theirs)
    here = Generator().set_state(theirs.numpy())
    assert here.initial_seed() == 11
    assert np.array_equal(here.get_state(), theirs.numpy())
    expected = torch.randn(9, generator=tgen)
    assert_same(hr.normal(here, 9), expected)
    assert torch.equal(torch.randn(9, generator=there), expected)
