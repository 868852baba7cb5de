"""Special functions against SciPy over wide ranges, where SciPy itself is accurate."""

import numpy as np
import pytest

from plait.core.ops.numeric import special

scipy_special = pytest.importorskip("scipy.special")

RANGES = {
    "erf": ("erf", -6, 6),
    "erfc": ("erfc", -6, 6),
    "erfcx": ("erfcx", -5, 50),
    "erfinv": ("erfinv", -1, 1),
    "ndtr": ("ndtr", -6, 6),
    "ndtri": ("ndtri", 0, 1),
    "log_ndtr": ("log_ndtr", -30, 6),
    "lgamma": ("gammaln", 2.1, 500),
    "digamma": ("digamma", 2, 500),
    "i0e": ("i0e", -100, 100),
    "i1e": ("i1e", -100, 100),
    "i0": ("i0", -100, 100),
    "i1": ("i1", -100, 100),
    "bessel_j0": ("j0", -2.3, 2.3),
    "bessel_j1": ("j1", -3.5, 3.5),
    "modified_bessel_k0": ("k0", 0, 600),
    "modified_bessel_k1": ("k1", 0, 600),
    "scaled_modified_bessel_k0": ("k0e", 0, 600),
    "scaled_modified_bessel_k1": ("k1e", 0, 600),
}


@pytest.mark.parametrize("name", RANGES)
def test_against_scipy(name):
    theirs, low, high = RANGES[name]
    x = np.random.default_rng(0).uniform(low, high, 5000)
    # Both are a few ulps from the truth; SciPy's tails lose x*x ulps in the exponent.
    np.testing.assert_allclose(
        getattr(special, name)(x), getattr(scipy_special, theirs)(x), rtol=2e-14
    )


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("bessel_j0", "j0"), ("bessel_j1", "j1"), ("bessel_y0", "y0"), ("bessel_y1", "y1")],
)
def test_oscillating_functions(name, theirs):
    x = np.random.default_rng(0).uniform(0.05, 100, 5000)
    found, wanted = getattr(special, name)(x), getattr(scipy_special, theirs)(x)
    # Beside its zeros a function is good to roundings of its amplitude and of x in the phase.
    np.testing.assert_allclose(found, wanted, rtol=2e-14, atol=4e-15)


def test_airy():
    x = np.random.default_rng(0).uniform(-30, 30, 5000)
    found, wanted = special.airy_ai(x), scipy_special.airy(x)[0]
    np.testing.assert_allclose(found[x > 0], wanted[x > 0], rtol=2e-13)
    np.testing.assert_allclose(found[x < 0], wanted[x < 0], atol=2e-14)


def test_two_arguments():
    rng = np.random.default_rng(0)
    s, q = rng.uniform(1.01, 40, 5000), 10.0 ** rng.uniform(-3, 3, 5000)
    np.testing.assert_allclose(special.zeta(s, q), scipy_special.zeta(s, q), rtol=1e-14)
    a = 10.0 ** rng.uniform(-2, 3, 5000)
    x = a * np.exp(rng.normal(0, 1, 5000) * np.minimum(1, 2 / np.sqrt(a)))
    np.testing.assert_allclose(special.igamma(a, x), scipy_special.gammainc(a, x), rtol=2e-11)
    np.testing.assert_allclose(special.igammac(a, x), scipy_special.gammaincc(a, x), rtol=2e-11)
