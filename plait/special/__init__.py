"""Special functions under the names of `torch.special`."""

from __future__ import annotations

from typing import Any

from plait._functions import pointwise as pw
from plait._functions import reduction
from plait._functions.pointwise import exp2, expm1, log1p, round
from plait._functions.polynomials import (
    chebyshev_polynomial_t,
    chebyshev_polynomial_u,
    chebyshev_polynomial_v,
    chebyshev_polynomial_w,
    hermite_polynomial_h,
    hermite_polynomial_he,
    laguerre_polynomial_l,
    legendre_polynomial_p,
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
)
from plait._functions.special import (
    binary_of,
    digamma,
    erf,
    erfc,
    erfinv,
    i0,
    logit,
    polygamma,
    sinc,
    unary_of,
    xlogy,
)
from plait._functions.special import igamma as gammainc
from plait._functions.special import igammac as gammaincc
from plait._functions.special import lgamma as gammaln
from plait._functions.special import mvlgamma as multigammaln
from plait._tensor import Tensor
from plait.core.ops import special as sp

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]

psi = digamma
expit = pw.sigmoid
logsumexp = reduction.logsumexp
entr = unary_of("entr", sp.ENTR)
erfcx = unary_of("erfcx", sp.ERFCX)
i0e = unary_of("i0e", sp.I0E)
i1 = unary_of("i1", sp.I1)
i1e = unary_of("i1e", sp.I1E)
ndtr = unary_of("ndtr", sp.NDTR)
ndtri = unary_of("ndtri", sp.NDTRI)
log_ndtr = unary_of("log_ndtr", sp.LOG_NDTR)
xlog1py = binary_of("xlog1py", sp.XLOG1PY)
zeta = binary_of("zeta", sp.ZETA)

airy_ai = unary_of("airy_ai", sp.AIRY_AI)
bessel_j0 = unary_of("bessel_j0", sp.BESSEL_J0)
bessel_j1 = unary_of("bessel_j1", sp.BESSEL_J1)
bessel_y0 = unary_of("bessel_y0", sp.BESSEL_Y0)
bessel_y1 = unary_of("bessel_y1", sp.BESSEL_Y1)
modified_bessel_k0 = unary_of("modified_bessel_k0", sp.MODIFIED_BESSEL_K0)
modified_bessel_k1 = unary_of("modified_bessel_k1", sp.MODIFIED_BESSEL_K1)
scaled_modified_bessel_k0 = unary_of("scaled_modified_bessel_k0", sp.SCALED_MODIFIED_BESSEL_K0)
scaled_modified_bessel_k1 = unary_of("scaled_modified_bessel_k1", sp.SCALED_MODIFIED_BESSEL_K1)
spherical_bessel_j0 = unary_of("spherical_bessel_j0", sp.SPHERICAL_BESSEL_J0)
modified_bessel_i0 = unary_of("modified_bessel_i0", sp.I0)
modified_bessel_i1 = unary_of("modified_bessel_i1", sp.I1)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The softmax along an axis."""
    from plait.nn.functional import softmax as compute

    return compute(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of the softmax along an axis."""
    from plait.nn.functional import log_softmax as compute

    return compute(input, dim, dtype=dtype)
