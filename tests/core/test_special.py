"""Special functions against values computed with 40 digits, and their special cases."""

import numpy as np
import pytest

from plait.core.ops.numeric import special

INF, NAN = float("inf"), float("nan")

# (x, value) with the value rounded from 40 digits of mpmath.
VALUES = {
    "erf": [
        (1e-10, 1.1283791670955126e-10), (0.3, 0.3286267594591274), (-0.7, -0.6778011938374184),
        (2.5, 0.999593047982555),
    ],
    "erfc": [
        (-2.0, 1.9953222650189528), (0.2, 0.7772974107895215), (3.0, 2.209049699858544e-05),
        (20.0, 5.395865611607901e-176),
    ],
    "erfcx": [
        (-2.0, 108.94090438997797), (0.2, 0.8090195199015807), (3.0, 0.17900115118138996),
        (50.0, 0.011281536265323773),
    ],
    "erfinv": [
        (1e-12, 8.86226925452758e-13), (-0.3, -0.2724627147267543), (0.75, 0.8134198475976185),
        (0.9999999990686774, 4.328028275800946),
    ],
    "ndtr": [
        (-30.0, 4.906713927148187e-198), (-3.0, 0.0013498980316300946), (0.5, 0.6914624612740131),
        (3.0, 0.9986501019683699),
    ],
    "log_ndtr": [
        (-100.0, -5005.524208694205), (-2.0, -3.783184333682032), (0.5, -0.3689464152886564),
        (8.0, -6.220960574271786e-16),
    ],
    "ndtri": [
        (1e-100, -21.273453560965326), (0.01, -2.326347874040841), (0.4, -0.2533471031357997),
        (0.9, 1.2815515655446006),
    ],
    "lgamma": [
        (1e-10, 23.025850929882736), (0.3, 1.0957979948180756), (1.0001, -5.771334222047127e-05),
        (2.0001, 4.2281658112919945e-05), (7.5, 7.534364236758733), (100.25, 360.28455963776423),
        (-2.5, -0.056243716497674054),
    ],
    "digamma": [
        (1e-05, -100000.57719921567), (0.3, -3.502524222200133), (1.0, -0.5772156649015329),
        (5.5, 1.6110931485817512), (100.25, 4.602671243274712), (-2.5, 1.103156640645243),
    ],
    "i0": [
        (1e-05, 1.000000000025), (-1.0, 1.2660658777520084), (7.5, 268.16131151518937),
        (30.0, 781672297823.9775),
    ],
    "i0e": [
        (1e-05, 0.9999900000749996), (-1.0, 0.46575960759364043), (7.5, 0.14831583007739552),
        (1e6, 0.00039894233026924577),
    ],
    "i1": [
        (1e-05, 5.0000000000625004e-06), (-1.0, -0.565159103992485), (7.5, 249.58436542268814),
        (30.0, 768532038938.957),
    ],
    "i1e": [
        (1e-05, 4.999950000312499e-06), (-1.0, -0.20791041534970844), (7.5, 0.1380412115485542),
        (30.0, 0.07191633059864755),
    ],
    "bessel_j0": [
        (1e-05, 0.999999999975),
        (-2.5, -0.048383776468198),
        (30.0, -0.08636798358104021),
    ],
    "bessel_j1": [
        (1e-05, 4.9999999999375e-06),
        (-2.5, -0.49709410246427405),
        (30.0, -0.11875106261662294),
    ],
    "bessel_y0": [
        (1e-05, -7.40316028370197),
        (2.5, 0.4980703596152319),
        (30.0, -0.11729573168666403),
    ],
    "bessel_y1": [
        (1e-05, -63661.97727536548),
        (2.5, 0.1459181379667858),
        (30.0, 0.08442557066174723),
    ],
    "modified_bessel_k0": [
        (1e-05, 11.628856980944363),
        (1.9, 0.1288459792760475),
        (30.0, 2.1324774964630563e-14),
    ],
    "spherical_bessel_j0": [
        (1e-05, 0.9999999999833333),
        (-2.5, 0.2393888576415826),
    ],
    "airy_ai": [
        (-20.0, -0.1764061270779847),
        (0.5, 0.23169360648083348),
        (20.0, 1.6916728686705404e-27),
    ],
    "sinc": [(0.0, 1.0), (0.5, 2 / np.pi), (3.0, 0.0), (-1.5, -2 / (3 * np.pi))],
    "logit": [(0.5, 0.0), (0.25, -1.0986122886681098), (0.9, 2.1972245773362196)],
    "entr": [(0.5, 0.34657359027997264), (2.0, -1.3862943611198906), (0.0, 0.0)],
}  # fmt: skip

POLYGAMMA = {
    1: [(0.3, 12.245364546107732), (1.0, 1.6449340668482264), (-2.5, 9.539246644989124)],
    2: [(0.3, -75.27253658872604), (7.5, -0.020305252536644666), (-2.5, -0.1082040516417274)],
    5: [(0.3, 164634.84609922304), (1.0, 122.0811674381339), (-2.5, 15382.140048026304)],
}

# (a, x, P, Q)
IGAMMA = [
    (0.001, 0.5, 0.9994399333435292, 0.0005600666564707498),
    (0.5, 2.0, 0.9544997361036416, 0.04550026389635842),
    (3.0, 2.0, 0.32332358381693654, 0.6766764161830635),
    (30.0, 50.0, 0.999083171138544, 0.0009168288614560798),
    (500.0, 450.0, 0.010717238091289742, 0.9892827619087102),
    (1e6, 1001000.0, 0.8413447863683403, 0.15865521363165967),
]


def columns(pairs):
    x, y = zip(*pairs)
    return np.array(x), np.array(y)


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    x, expected = columns(VALUES[name])
    got = getattr(special, name)(x)
    assert got.dtype == np.float64
    # A few units in the last place of float64 (2.2e-16 relative).
    np.testing.assert_allclose(got, expected, rtol=2e-15, atol=1e-300)
    single = getattr(special, name)(x.astype(np.float32))
    assert single.dtype == np.float32
    wide = getattr(special, name)(x.astype(np.float32).astype(np.float64))
    assert np.array_equal(single, wide.astype(np.float32))


@pytest.mark.parametrize("n", POLYGAMMA)
def test_polygamma(n):
    x, expected = columns(POLYGAMMA[n])
    # At -2.5 the terms of both signs nearly cancel for n = 2: one digit less.
    np.testing.assert_allclose(special.polygamma(n, x), expected, rtol=1e-14)
    assert special.polygamma(n, x.astype(np.float32)).dtype == np.float32


def test_zeta():
    s, q = np.array([3.0, 2.5, 2.0]), np.array([1.0, 0.25, 0.5])
    expected = [1.2020569031595942, 32.84745195469769, 4.934802200544679]
    np.testing.assert_allclose(special.zeta(s, q), expected, rtol=1e-15)


def test_igamma():
    a, x, lower, upper = (np.array(column) for column in zip(*IGAMMA))
    # Cancellation in the exponents costs some digits: see the module's text.
    np.testing.assert_allclose(special.igamma(a, x), lower, rtol=1e-12)
    np.testing.assert_allclose(special.igammac(a, x), upper, rtol=1e-12)


def test_multigammaln():
    a = np.array([3.0, 0.4])
    np.testing.assert_allclose(
        special.multigammaln(a, 2), [1.5501949939575645, 3.7380040933552725], rtol=1e-15
    )
    assert special.multigammaln(a, 1)[0] == special.lgamma(a)[0]
    with pytest.raises(ValueError, match="p=0"):
        special.multigammaln(a, 0)


# What PyTorch gives at -inf, -1, -0.0, 0.0, 1, inf, nan.
EDGES = {
    "erf": (-1, -0.8427007929497149, -0.0, 0, 0.8427007929497149, 1, NAN),
    "erfc": (2, 1.842700792949715, 1, 1, 0.15729920705028513, 0, NAN),
    "erfcx": (INF, 5.00898008076228, 1, 1, 0.427583576155807, 0, NAN),
    "erfinv": (NAN, -INF, -0.0, 0, INF, NAN, NAN),
    "lgamma": (INF, INF, INF, INF, 0, INF, NAN),
    "digamma": (NAN, NAN, INF, -INF, -0.5772156649015329, INF, NAN),
    "ndtr": (0, 0.15865525393145707, 0.5, 0.5, 0.8413447460685429, 1, NAN),
    "ndtri": (NAN, NAN, -INF, -INF, INF, NAN, NAN),
    "log_ndtr": (-INF, -1.841021645009264, *[-0.6931471805599453] * 2, -0.1727537790234499, 0, NAN),
    "i0": (NAN, 1.2660658777520084, 1, 1, 1.2660658777520084, NAN, NAN),
    "i0e": (0, 0.46575960759364043, 1, 1, 0.46575960759364043, 0, NAN),
    "i1": (NAN, -0.565159103992485, 0, 0, 0.565159103992485, NAN, NAN),
    "i1e": (0, -0.20791041534970844, 0, 0, 0.20791041534970844, 0, NAN),
    "entr": (-INF, -INF, 0, 0, 0, -INF, NAN),
    "logit": (NAN, NAN, -INF, -INF, INF, NAN, NAN),
    "sinc": (NAN, 0, 1, 1, 0, NAN, NAN),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    x = np.array([-INF, -1, -0.0, 0.0, 1, INF, NAN])
    got = getattr(special, name)(x)
    np.testing.assert_allclose(got, EDGES[name], rtol=2e-15, atol=0)


def test_edges_of_two_arguments():
    x = np.array([0, 0, 0, 1, NAN])
    y = np.array([0, NAN, INF, 0, 0])
    np.testing.assert_array_equal(special.xlogy(x, y), [0, NAN, 0, -INF, NAN])
    np.testing.assert_array_equal(special.xlog1py(x, y - 1), [0, NAN, 0, -INF, NAN])
    s = np.array([1, 0.5, 2, 2, 2.5, 1.0, NAN])
    q = np.array([2, 2, 0, -1, -1.5, -1.0, 2])
    np.testing.assert_array_equal(special.zeta(s, q), [INF, NAN, INF, INF, NAN, INF, NAN])
    a = np.array([0, 0, 1, -1, 1, INF, 1, INF, NAN])
    x = np.array([0, 1, 0, 1, -1, 1, INF, INF, 1])
    np.testing.assert_array_equal(special.igamma(a, x), [NAN, 1, 0, NAN, NAN, 0, 1, NAN, NAN])
    np.testing.assert_array_equal(special.igammac(a, x), [NAN, 0, 1, NAN, NAN, 1, 0, NAN, NAN])


def test_polygamma_edges():
    x = np.array([-3.0, -0.0, 0.0, INF, NAN])
    np.testing.assert_array_equal(special.polygamma(1, x), [INF, INF, INF, 0, NAN])
    np.testing.assert_array_equal(special.polygamma(0, x), special.digamma(x))
    with pytest.raises(ValueError, match="n=-1"):
        special.polygamma(-1, x)


def test_logit_clamps():
    got = special.logit(np.array([-0.1, 0.5, 1.1]), eps=0.1)
    np.testing.assert_allclose(got, [-2.1972245773362196, 0, 2.1972245773362196], rtol=1e-15)


def test_shapes_and_dtypes():
    assert special.erf(np.ones((2, 0))).shape == (2, 0)
    assert special.lgamma(np.float32(2.5)).shape == ()
    assert special.xlogy(np.ones((3, 1)), np.ones(4)).shape == (3, 4)
    long = np.linspace(-3, 3, 100_000)
    assert np.array_equal(special.erf(long)[::1000], special.erf(long[::1000]))
    assert special.erf(np.float16(0.5)).dtype == np.float16
    with pytest.raises(TypeError, match="erf takes floating dtypes, but got int64"):
        special.erf(np.arange(3))


def test_inputs_are_not_changed():
    x = np.array([0.3, 2.0, 11.0, -4.5])
    for name in VALUES:
        before = x.copy()
        getattr(special, name)(x)
        assert np.array_equal(x, before)
