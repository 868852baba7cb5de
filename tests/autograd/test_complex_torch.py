"""Gradients of complex numbers are PyTorch's: dL/dx + i dL/dy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")

_rng = np.random.default_rng(3)
Z = _rng.standard_normal((2, 4)) + 1j * _rng.standard_normal((2, 4))
W = _rng.standard_normal((2, 4)) + 1j * _rng.standard_normal((2, 4))
X = _rng.standard_normal((2, 4))

#: Functions of complex z and w and of real x.
FUNCTIONS = {
    "arithmetic": lambda m, z, w, x: z * w - w / z + x * z - 2j * w,
    "holomorphic": lambda m, z, w, x: m.exp(z) * m.sin(w) + m.sqrt(z) + m.log(w) + m.tanh(x * z),
    "conj": lambda m, z, w, x: z.conj() * w + m.conj_physical(w),
    "size": lambda m, z, w, x: m.abs(z) * x + (z * w).abs(),
    "size of 0": lambda m, z, w, x: (z * 0).abs() * x + w.abs(),
    "direction": lambda m, z, w, x: m.sgn(z) * w.sgn() + x,
    "angle": lambda m, z, w, x: m.angle(z) * x + w.angle(),
    "parts": lambda m, z, w, x: m.real(z) * w.imag + m.imag(z) * x + w.real,
    "from parts": lambda m, z, w, x: m.complex(x, x * 2) * z + m.complex(x[:1], x) + w,
    "polar": lambda m, z, w, x: m.polar(x.abs(), x) * z + m.polar(w.abs(), z.angle()),
    "pairs": lambda m, z, w, x: m.view_as_complex(m.view_as_real(z * w).flip(-1)) * x,
    "fft": lambda m, z, w, x: m.fft.fft(z, n=5) + m.fft.ifft(w, n=5, norm="ortho") + x.sum(),
    "fftn": lambda m, z, w, x: m.fft.fftn(z * x) * m.fft.ifft2(w),
    "rfft": lambda m, z, w, x: m.fft.rfft(x, norm="forward") * z[:, :3] + w[:, :3],
    "irfft": lambda m, z, w, x: m.fft.irfft(z, n=6)[:, :4] * x + m.fft.irfft(w, n=4),
    "irfftn": lambda m, z, w, x: m.fft.irfftn(z * w, norm="ortho") + x.sum(),
    "hfft": lambda m, z, w, x: m.fft.hfft(z) + m.fft.hfft2(w, norm="ortho") + x.sum(),
    "ihfft": lambda m, z, w, x: m.fft.ihfft(x) * z[:, :3] + m.fft.ihfftn(x) * w[:, :3],
    "powers": lambda m, z, w, x: z**2 + w**1.5 + z**w + 2.0**z + x**2,
    "inverse functions": lambda m, z, w, x: m.acosh(z) + m.atanh(w) + m.asin(z) * x,
    "norms": lambda m, z, w, x: m.linalg.norm(z) * m.norm(w, 1) + m.linalg.norm(z, dim=1) + x.sum(),
    "variances": lambda m, z, w, x: m.var(z, 1) + m.std(w, 1, correction=0) + x.sum(),
    "products": lambda m, z, w, x: (
        m.vdot(z[0], w[0]) + m.linalg.vecdot(z, w) + (z @ w.mH)[0] * x.sum()
    ),
    "inverses": lambda m, z, w, x: (
        m.linalg.inv(z[:, :2]) @ m.linalg.solve(w[:, :2], z[:, 2:]) * m.linalg.det(z[:, 1:3])
        + x.sum()
    ),
    "exponential": lambda m, z, w, x: m.matrix_exp(z[:, :2]) @ m.matrix_exp(w[:, :2]) + x.sum(),
    "eigenvalues": lambda m, z, w, x: (
        m.linalg.eigvals(z[:, :2]).abs().prod() * m.linalg.eigvals(x[:, :2]).abs().sum() + w.sum()
    ),
    "eigenvectors": lambda m, z, w, x: (
        m.linalg.eig(z[:, :2]).eigenvectors.abs().sum(1).prod()
        + (m.linalg.eig(x[:, 2:])[1].abs() ** 2)[0].prod() * w.sum()
    ),
    "cast": lambda m, z, w, x: x.to(z.dtype) * z + m.where(x > 0, w, z),
    "sums": lambda m, z, w, x: z.sum(1) * w.mean(1) + x.prod(1) * m.stack([z, w]).prod(0).sum(1),
}


def _gradients(m: Any, function: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    inputs = [m.tensor(a.tolist(), dtype=getattr(m, a.dtype.name)).requires_grad_() for a in arrays]
    y = function(m, *inputs)
    seed = np.cos(np.arange(y.numel())).reshape(tuple(y.shape)).tolist()
    start = m.tensor(seed, dtype=m.float64)
    if y.is_complex():
        start = m.complex(start, start * 2 - 1)
    found = m.autograd.grad(y, inputs, start, create_graph=True, allow_unused=True)
    # And the gradients of the size of these gradients.
    size = sum((g.abs() ** 2).sum() for g in found if g is not None)
    again = m.autograd.grad(size, inputs, allow_unused=True) if size.requires_grad else ()
    values = [y, *[g for g in (*found, *again) if g is not None]]
    return [v.detach().resolve_conj().numpy() for v in values]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_gradients(name: str) -> None:
    ours, theirs = [_gradients(m, FUNCTIONS[name], [Z, W, X]) for m in (plait, torch)]
    for mine, wanted in zip(ours, theirs, strict=True):
        # float64 with some hundred roundings; second gradients divide by sizes of a tenth.
        np.testing.assert_allclose(mine, wanted, rtol=1e-10, atol=1e-10)


def test_hooks_leaves_and_functions_see_the_same_convention() -> None:
    found = []
    for m in (plait, torch):
        seen: list[Any] = []

        class Double(m.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 2

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                seen.append(g)  # noqa: B023 - called within this turn
                return g * 2

        z = m.tensor(Z.tolist(), dtype=m.complex128, requires_grad=True)
        y = z * (1 + 2j)
        y.register_hook(seen.append)
        y.retain_grad()
        (Double.apply(y) * (3 - 1j)).real.sum().backward()
        found.append([v.numpy() for v in (*seen, y.grad, z.grad)])
    for mine, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-12)


def test_an_optimizer_steps_on_a_complex_parameter() -> None:
    found = []
    for m in (plait, torch):
        z = m.tensor(Z.tolist(), dtype=m.complex128, requires_grad=True)
        for _ in range(4):  # often enough for a step that is replayed
            z.grad = None
            ((z * (1 - 2j) - 3j).abs() ** 2).sum().backward()
            with m.no_grad():
                z -= 0.05 * z.grad
        found.append(z.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="only supported for complex tensors"):
        plait.view_as_real(plait.ones(2))
    with pytest.raises(RuntimeError, match="last dimension of size 2"):
        plait.view_as_complex(plait.ones(2, 3))
    with pytest.raises(RuntimeError, match="scalar type"):
        plait.complex(plait.ones(2), plait.ones(2, dtype=plait.float64))
    with pytest.raises(RuntimeError, match="irfft: expected 3 elements along axis 0 for 4 real"):
        from plait.core.ops.fft import IRFFT

        IRFFT(plait.ones(4, dtype=plait.complex64), axes=(0,), n=4, norm="ortho")
