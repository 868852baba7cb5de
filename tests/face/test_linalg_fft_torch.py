"""torch.linalg and torch.fft: PyTorch's values and shapes on the same operands."""

import math

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

_rng = np.random.default_rng(5)
_A = _rng.standard_normal((2, 4, 4))
OPERANDS = {
    "A": _A,
    "S": _A @ _A.swapaxes(-1, -2) + np.eye(4),
    "R": _rng.standard_normal((2, 5, 3)),
    "B": _rng.standard_normal((2, 4, 2)),
    "V": _rng.standard_normal(4),
}

LINALG = {
    "norm": lambda l, x: l.norm(x["A"]),
    "norm of vectors": lambda l, x: l.norm(x["V"], 3),
    "norm 1": lambda l, x: l.norm(x["A"][0], 1),
    "norm nuc": lambda l, x: l.norm(x["A"][0], "nuc"),
    "norm 2": lambda l, x: l.norm(x["A"], 2, dim=(1, 2)),
    "norm -inf": lambda l, x: l.norm(x["R"], -math.inf, dim=(1, 2)),
    "vector_norm": lambda l, x: l.vector_norm(x["A"], 1, dim=1, keepdim=True),
    "matrix_norm -1": lambda l, x: l.matrix_norm(x["A"], -1, keepdim=True),
    "matrix_norm -2": lambda l, x: l.matrix_norm(x["A"], -2),
    "cond": lambda l, x: l.cond(x["A"]),
    "cond 1": lambda l, x: l.cond(x["A"], 1),
    "inv": lambda l, x: l.inv(x["A"]),
    "det": lambda l, x: l.det(x["A"]),
    "slogdet": lambda l, x: tuple(l.slogdet(x["A"])),
    "cholesky": lambda l, x: l.cholesky(x["S"]),
    "cholesky upper": lambda l, x: l.cholesky(x["S"], upper=True),
    "eigvalsh": lambda l, x: l.eigvalsh(x["S"]),
    "eigh": lambda l, x: l.eigh(x["S"]).eigenvalues,
    "svdvals": lambda l, x: l.svdvals(x["R"]),
    "pinv": lambda l, x: l.pinv(x["R"]),
    "qr": lambda l, x: l.qr(x["R"]).R.abs(),
    "solve": lambda l, x: l.solve(x["A"], x["B"]),
    "solve vector": lambda l, x: l.solve(x["A"][0], x["V"]),
    "solve right": lambda l, x: l.solve(x["A"], x["B"].mT, left=False),
    "solve_triangular": lambda l, x: l.solve_triangular(x["S"], x["B"], upper=False),
    "solve_triangular right": lambda l, x: l.solve_triangular(
        x["S"], x["B"].mT, upper=True, left=False
    ),
    "lstsq": lambda l, x: l.lstsq(x["R"], x["R"][..., :2] * 2 + 1).solution,
    "matrix_rank": lambda l, x: l.matrix_rank(x["R"]),
    "matrix_power": lambda l, x: l.matrix_power(x["A"], -2),
    "multi_dot": lambda l, x: l.multi_dot([x["V"], x["A"][0], x["A"][1], x["V"]]),
    "cross": lambda l, x: l.cross(x["A"][..., :3], x["R"][:, :4]),
    "vecdot": lambda l, x: l.vecdot(x["A"], x["S"]),
    "vander": lambda l, x: l.vander(x["V"]),
    "diagonal": lambda l, x: l.diagonal(x["A"]),
    "lu": lambda l, x: tuple(l.lu(x["A"])),
    "lu of tall": lambda l, x: tuple(l.lu(x["R"])),
    "lu of wide": lambda l, x: tuple(l.lu(x["R"].mT)),
    "lu_factor": lambda l, x: tuple(l.lu_factor(x["A"])),
    "lu_factor_ex": lambda l, x: tuple(l.lu_factor_ex(x["A"] * 0)),
    "lu_solve": lambda l, x: l.lu_solve(*l.lu_factor(x["A"]), x["B"]),
    "lu_solve adjoint": lambda l, x: l.lu_solve(*l.lu_factor(x["A"]), x["B"], adjoint=True),
    "lu_solve right": lambda l, x: l.lu_solve(*l.lu_factor(x["A"]), x["B"].mT, left=False),
    "lu_solve broadcast": lambda l, x: l.lu_solve(*l.lu_factor(x["A"][0]), x["B"]),
    "ldl_factor": lambda l, x: tuple(l.ldl_factor(x["A"] + x["A"].mT)),
    "ldl_solve": lambda l, x: l.ldl_solve(*l.ldl_factor(x["A"] + x["A"].mT), x["B"]),
    "householder_product": lambda l, x: l.householder_product(x["R"], x["R"][:, 0]),
}

FFT = {
    "fft": lambda f, x: f.fft(x["R"]),
    "fft sized": lambda f, x: f.fft(x["R"], n=7, dim=1, norm="ortho"),
    "ifft cut": lambda f, x: f.ifft(x["R"], n=2),
    "fft2": lambda f, x: f.fft2(x["R"]),
    "fftn sized": lambda f, x: f.fftn(x["R"], s=(4, 4)),
    "rfft": lambda f, x: f.rfft(x["R"], dim=1),
    "rfftn": lambda f, x: f.rfftn(x["R"]),
    "irfft": lambda f, x: f.irfft(f.rfft(x["R"], dim=1), n=5, dim=1),
    "irfft of reals": lambda f, x: f.irfft(x["R"]),
    "irfft2": lambda f, x: f.irfft2(f.rfft2(x["R"]), s=(5, 3)),
    "fftfreq": lambda f, x: f.fftfreq(5, 0.1),
    "rfftfreq": lambda f, x: f.rfftfreq(5),
    "fftshift": lambda f, x: f.fftshift(x["V"]),
    "ifftshift": lambda f, x: f.ifftshift(x["R"]),
}


def values(framework, module, function):
    operands = {
        name: framework.tensor(array.tolist(), dtype=framework.float64)
        for name, array in OPERANDS.items()
    }
    found = function(getattr(framework, module), operands)
    parts = found if isinstance(found, tuple) else (found,)
    return [np.asarray(part.tolist()) for part in parts]


@pytest.mark.parametrize(
    ("module", "name"),
    [*(("linalg", name) for name in LINALG), *(("fft", name) for name in FFT)],
)
def test_values(module, name):
    function = {"linalg": LINALG, "fft": FFT}[module][name]
    ours, theirs = values(plait, module, function), values(torch, module, function)
    # Two LAPACKs, well-conditioned operands; frequencies are float32.
    tolerance = 1e-6 if name.endswith("freq") else 1e-9
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance)
