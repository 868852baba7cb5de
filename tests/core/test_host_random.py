"""Host draws without PyTorch: values stored from PyTorch 2.13 (CPU, x86-64), states, errors."""

import copy
import pickle
import threading

import numpy as np
import pytest

from plait.core.runtime import host_random as hr
from plait.core.runtime.fused import fma32, fma64
from plait.core.runtime.generator import Generator


def seeded(seed=0):
    return Generator().manual_seed(seed)


def hexes(array):
    return [float(value).hex() for value in np.ravel(array)]


def floats(*texts):
    return [float.fromhex(text) for text in texts]


# Each list is what PyTorch prints after torch.manual_seed(0).
def test_rand():
    assert hr.uniform(seeded(), 4).tolist() == floats(
        "0x1.fc2abp-2", "0x1.89545ep-1", "0x1.6a675p-4", "0x1.0e66p-3"
    )
    assert hr.uniform(seeded(), 3, np.float64).tolist() == floats(
        "0x1.f0aac97c4aa2fp-1", "0x1.6a675d821cccp-1", "0x1.d6687b744a5f6p-2"
    )
    expected = [0.496337890625, 0.76806640625, 0.0885009765625, 0.132080078125]
    assert hr.uniform(seeded(), 4, np.float16).tolist() == expected


def test_uniform_with_bounds():
    assert hr.uniform(seeded(), 4, np.float32, -0.3, 0.7).tolist() == floats(
        "0x1.91eef8p-3", "0x1.df7588p-2", "-0x1.b132cp-3", "-0x1.580068p-3"
    )


def test_randn():
    assert hr.normal(seeded(), 3).tolist() == floats(
        "0x1.8a7eb8p+0", "-0x1.2c78a0p-2", "-0x1.16e292p+1"
    )
    # 17 values: one block of 16, then the last 16 again.
    assert hr.normal(seeded(), 17).tolist() == floats(
        "-0x1.20370ap+0", "-0x1.b2288cp+0", "0x1.222008p-1", "0x1.9646bap-1", "0x1.329b16p-1",
        "-0x1.8e1ab6p+0", "-0x1.5d8d94p-2", "0x1.da5e9cp+0", "0x1.df54aap-2", "-0x1.2bc656p-1",
        "-0x1.631dd6p-3", "0x1.77c348p-3", "0x1.63ad80p+0", "0x1.961a00p+0", "0x1.e48138p-1",
        "-0x1.aff666p-1", "0x1.dd1860p-1",
    )  # fmt: skip
    values = hr.normal(seeded(), 18, np.float64)[[0, 9, 17]]
    expected = floats("-0x1.27bb92e9262dcp+1", "0x1.779107c3069d9p-1", "0x1.0bff5e8d733a2p+0")
    np.testing.assert_allclose(values, expected, rtol=1e-15)


def test_randint_and_randperm():
    assert hr.integers(seeded(), 0, 10, 12).tolist() == [4, 9, 3, 0, 3, 9, 7, 3, 7, 3, 1, 6]
    wide = hr.integers(seeded(), -(2**40), 2**50, 3)
    assert wide.tolist() == [1112347536304687, 258891369794752, 44271912768251]
    assert hr.permutation(seeded(), 10).tolist() == [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]


def test_bernoulli():
    scalar = hr.bernoulli_scalar(seeded(), 12, 0.3)
    assert scalar.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1]
    by_tensor = hr.bernoulli(seeded(), np.full(12, 0.3, np.float32))
    assert by_tensor.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert by_tensor.dtype == np.float32


def test_others():
    # One unit in the last place: log1p may differ between C libraries.
    np.testing.assert_allclose(
        hr.exponential(seeded(), 3, np.float32, 2.0),
        floats("0x1.c110d6p+0", "0x1.3afa7ep-1", "0x1.3ae710p-2"),
        rtol=1.2e-7,
    )
    assert hr.geometric(seeded(), 6, 0.3).tolist() == [1, 1, 3, 1, 2, 1]
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    gen = seeded()
    assert hr.multinomial(gen, weights, 3).tolist() == [2, 1, 3]
    assert hr.multinomial(gen, weights, 8, replacement=True).tolist() == [3, 3, 1, 2, 2, 1, 2, 1]


def test_interleaved():
    gen = seeded()
    assert hexes(hr.uniform(gen, 5)[-1:]) == ["0x1.3acd0c0000000p-2"]
    expected = floats("0x1.19fb4ap-1", "0x1.14da56p-2", "0x1.4b6416p-1")
    assert hr.normal(gen, 3).tolist() == expected
    assert hr.permutation(gen, 7).tolist() == [5, 0, 3, 2, 4, 1, 6]
    assert hr.normal(gen, 16)[-2:].tolist() == floats("0x1.424e6ep+0", "0x1.00a334p+1")
    assert hr.integers(gen, 0, 100, 4).tolist() == [85, 22, 99, 11]
    # The first of these two is the normal kept since the draw of three.
    assert hr.normal(gen, 2).tolist() == floats("0x1.fdf4e0p-3", "0x1.21a4eep+1")


def test_bfloat16_is_float32_rounded():
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    single = hr.normal(seeded(), 64)
    assert (hr.normal(seeded(), 64, bfloat16) == single.astype(bfloat16)).all()


def test_shapes():
    gen = seeded()
    assert hr.uniform(gen, (2, 0, 3)).shape == (2, 0, 3)
    assert hr.normal(gen, ()).shape == ()
    assert hr.integers(gen, 0, 5, [2, 3], np.int8).shape == (2, 3)
    assert hr.multinomial(gen, np.ones((4, 3), np.float32), 2).shape == (4, 2)
    assert hr.permutation(gen, 0).shape == (0,)


def test_long_shuffle_is_a_permutation():
    assert sorted(hr._inside_out(seeded(), 100).tolist()) == list(range(100))


def test_state_round_trip():
    gen = seeded(9)
    hr.normal(gen, 3)
    gen.next_counter()
    state = gen.get_state()
    assert state.shape == (5056,) and state.dtype == np.uint8
    copies = (
        Generator().set_state(state),
        gen.clone(),
        copy.copy(gen),
        copy.deepcopy(gen),
        pickle.loads(pickle.dumps(gen)),
    )
    expected = (hr.normal(gen, 40).tobytes(), gen.next_counter(), hr.normal(gen, 2).tobytes())
    for other in copies:
        assert other.initial_seed() == 9
        drawn = (
            hr.normal(other, 40).tobytes(),
            other.next_counter(),
            hr.normal(other, 2).tobytes(),
        )
        assert drawn == expected


def test_reseeding_restarts_everything():
    gen = seeded(9)
    fresh = gen.get_state()
    hr.normal(gen, 3)
    gen.next_counter()
    assert np.array_equal(gen.manual_seed(9).get_state(), fresh)
    assert gen.next_counter() == (9, 0)


def test_entropy_seed():
    gen = Generator()
    first, second = gen.seed(), gen.seed()
    assert first != second and gen.initial_seed() == second < 2**53


def test_counters_are_distinct():
    gen = seeded(3)
    assert [gen.next_counter(), gen.next_counter(4), gen.next_counter()] == [(3, 0), (3, 1), (3, 5)]
    taken = []
    threads = [
        threading.Thread(target=lambda: taken.extend(gen.next_counter() for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 800
    with pytest.raises(ValueError, match="draws=0"):
        gen.next_counter(0)


def test_a_bad_state_changes_nothing():
    gen = seeded(5)
    before = gen.get_state()
    broken = before.copy()
    broken[8:12] = 0
    cases = (
        (before[:-1], RuntimeError, "size 5056 .* 5055"),
        (before.astype(np.int64), TypeError, "ByteTensor.*int64"),
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
        (broken, RuntimeError, "left=0"),
    )
    for state, error, message in cases:
        with pytest.raises(error, match=message):
            gen.set_state(state)
    assert np.array_equal(gen.get_state(), before)


@pytest.mark.parametrize("seed", [1.5, "a", None, True])
def test_seed_types(seed):
    with pytest.raises(RuntimeError, match="manual_seed expected an integer"):
        Generator().manual_seed(seed)


ERRORS = [
    (lambda g: hr.uniform(g, 3, np.float32, 2, 1), r"from=2 > to=1"),
    (lambda g: hr.uniform(g, 3, np.float16, 0, 1e5), r"to=100000.0 is out of bounds for float16"),
    (lambda g: hr.uniform(g, 3, np.float32, -3e38, 3e38), "to-from"),
    (lambda g: hr.uniform(g, (2, -1)), r"negative dimension -1: \[2, -1\]"),
    (lambda g: hr.normal(g, 3, np.float32, 0, -1), "std >= 0.0, but found std -1"),
    (lambda g: hr.integers(g, 5, 5, 3), "from=5 >= to=5"),
    (lambda g: hr.integers(g, 0, 256, 3, np.int8), "to - 1=255 is out of bounds for int8"),
    (lambda g: hr.integers(g, -1, 2, 3, np.uint8), "from=-1 is out of bounds for uint8"),
    (lambda g: hr.permutation(g, -1), "n=-1"),
    (lambda g: hr.bernoulli_scalar(g, 3, 1.5), "p=1.5"),
    (lambda g: hr.bernoulli(g, np.array([0.5, np.nan])), r"\[0, 1\]"),
    (lambda g: hr.exponential(g, 3, np.float32, -1), "lambda=-1"),
    (lambda g: hr.geometric(g, 3, 1.0), "p=1.0"),
    (lambda g: hr.cauchy(g, 3, np.float32, 0, 0), "sigma=0"),
    (lambda g: hr.log_normal(g, 3, np.float32, 0, -1), "std=-1"),
    (lambda g: hr.multinomial(g, np.array([0.1, -0.2]), 1), "element < 0"),
    (lambda g: hr.multinomial(g, np.array([0.0, 0.0]), 1), "sum of probabilities <= 0"),
    (lambda g: hr.multinomial(g, np.array([0.1, 0.2]), 3), "n_sample=3 for 2 categories"),
    (lambda g: hr.multinomial(g, np.array([0.1, 0.2]), 0), "n_sample <= 0"),
    (lambda g: hr.multinomial(g, np.array([1, 2]), 1), "floating-point dtypes.*int64"),
    (lambda g: hr.multinomial(g, np.ones((1, 1, 1)), 1), r"1 or 2 dim, but got shape \(1, 1, 1\)"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_leave_the_state(case):
    draw, message = ERRORS[case]
    gen = seeded()
    before = gen.get_state()
    with pytest.raises(RuntimeError, match=message):
        draw(gen)
    assert np.array_equal(gen.get_state(), before)


def test_integer_dtypes_are_refused():
    for draw in (hr.uniform, hr.normal, hr.exponential, hr.cauchy, hr.log_normal):
        with pytest.raises(NotImplementedError, match=r"floating dtypes.*int64"):
            draw(seeded(), 3, np.int64)


def test_fma_rounds_once():
    # (1 + e)**2 - (1 + 2e) = e**2 exactly; a rounded product would give 0.
    e = 2.0**-40
    assert fma64(np.array([1 + e]), 1 + e, -(1 + 2 * e))[0] == e * e
    # A tie that only the float64 rounding makes: 1 + 2**-24 + 2**-60 must round up in float32.
    a, b = np.float32(2.0**-30), np.float32(2.0**-30)
    c = np.float64(1 + 2.0**-24)  # not a float32 value: stands for an exact partial sum
    assert fma32(np.array([a]), b, c)[0] == np.float32(1 + 2.0**-23)
    assert fma32(np.array([-a]), b, c)[0] == np.float32(1)
