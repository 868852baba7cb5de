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
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
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


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The softmax along an axis."""
    from plait.nn.functional import softmax as compute

    return compute(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of the softmax along an axis."""
    from plait.nn.functional import log_softmax as compute

    return compute(input, dim, dtype=dtype)
