"""`torch.masked`, `torch.signal.windows` and orthogonal polynomials, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import masked
from plait.signal import windows

RNG = np.random.default_rng(0)
X, MASK = RNG.standard_normal((3, 4, 5)), RNG.random((3, 4, 5)) > 0.4
MASK[0] = True  # something is left everywhere
GAPS = np.where(MASK, X, np.nan)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), None])
@pytest.mark.parametrize("keep", [False, True])
def test_reductions_of_what_a_mask_lets_through(axis: Any, keep: bool) -> None:
    x, mask = torch.tensor(X), torch.tensor(MASK)
    options: dict[str, Any] = {"axis": axis, "keepdims": keep}
    for name, reference in (
        ("sum", np.nansum), ("prod", np.nanprod), ("amax", np.nanmax), ("amin", np.nanmin),
        ("mean", np.nanmean),
    ):  # fmt: skip
        found = getattr(masked, name)(x, axis, keepdim=keep, mask=mask)
        close(found, reference(GAPS, **options))
    close(masked.var(x, axis, keepdim=keep, mask=mask), np.nanvar(GAPS, ddof=1, **options))
    close(masked.std(x, axis, False, keepdim=keep, mask=mask), np.nanstd(GAPS, **options))
    squares = np.nansum(GAPS**2, **options)
    close(masked.norm(x, 2, axis, keepdim=keep, mask=mask), np.sqrt(squares))


def test_along_one_axis() -> None:
    x, mask = torch.tensor(X), torch.tensor(MASK)
    close(masked.cumsum(x, 1, mask=mask), np.cumsum(np.where(MASK, X, 0), 1))
    close(masked.cumprod(x, 2, mask=mask), np.cumprod(np.where(MASK, X, 1), 2))
    powers = np.where(MASK, np.exp(X), 0)
    close(masked.softmax(x, 2, mask=mask), powers / powers.sum(2, keepdims=True))
    close(masked.logsumexp(x, 2, mask=mask), np.log(powers.sum(2)))
    assert masked.argmax(x, 1, mask=mask).tolist() == np.nanargmax(GAPS, 1).tolist()
    assert masked.argmin(x, 1, mask=mask).tolist() == np.nanargmin(GAPS, 1).tolist()


def test_what_a_mask_holds_back_gets_no_gradient() -> None:
    x = torch.tensor(X, requires_grad=True)
    masked.mean(x, 1, mask=torch.tensor(MASK)).sum().backward()
    close(x.grad, np.where(MASK, 1 / MASK.sum(1, keepdims=True), 0))


def test_a_mask_is_bool() -> None:
    with pytest.raises(TypeError, match="expected a bool mask"):
        masked.sum(torch.ones(3), mask=torch.ones(3))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_windows(count: int) -> None:
    for name in ("bartlett", "blackman", "hamming"):
        reference = getattr(np, name)(count)
        close(getattr(windows, name)(count, dtype=torch.float64), reference)
        if count > 1:
            # One that repeats is the beginning of one that is one longer.
            longer = getattr(np, name)(count + 1)[:-1]
            close(getattr(windows, name)(count, sym=False, dtype=torch.float64), longer)
    close(windows.hann(count, dtype=torch.float64), np.hanning(count))
    close(windows.kaiser(count, beta=5.0, dtype=torch.float64), np.kaiser(count, 5.0))
    places = np.arange(count) - (count - 1) / 2
    close(windows.gaussian(count, std=2.0, dtype=torch.float64), np.exp(-(places**2) / 8))
    assert windows.cosine(count).dtype is torch.float32


def test_windows_refuse_what_they_cannot_be() -> None:
    with pytest.raises(ValueError, match="non-negative window length"):
        windows.hann(-1)
    with pytest.raises(ValueError, match="Tau must be positive"):
        windows.exponential(4, tau=0.0)
    with pytest.raises(ValueError, match="float32 or float64 dtypes"):
        windows.hann(4, dtype=torch.int64)


def test_polynomials() -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    for name, module, basis in (
        ("chebyshev_polynomial_t", np.polynomial.chebyshev, "chebval"),
        ("hermite_polynomial_h", np.polynomial.hermite, "hermval"),
        ("hermite_polynomial_he", np.polynomial.hermite_e, "hermeval"),
        ("laguerre_polynomial_l", np.polynomial.laguerre, "lagval"),
        ("legendre_polynomial_p", np.polynomial.legendre, "legval"),
    ):
        for degree in range(6):
            weights = [0.0] * degree + [1.0]
            found = getattr(torch.special, name)(x, torch.tensor(degree))
            close(found, getattr(module, basis)(x.numpy(), weights))
    angle = np.arccos(x[1:-1].numpy())
    close(
        torch.special.chebyshev_polynomial_u(x[1:-1], torch.tensor(4)),
        np.sin(5 * angle) / np.sin(angle),
    )
    shifted = torch.special.shifted_chebyshev_polynomial_t(x, torch.tensor(3))
    close(shifted, np.polynomial.chebyshev.chebval(2 * x.numpy() - 1, [0, 0, 0, 1]))
    assert torch.special.chebyshev_polynomial_t(x, torch.tensor(-1)).eq(0).all()
