"""Linear filters, also recursive ones, without a loop over time.

y[t] = sum_k b[k] x[t-k] - sum_{k>0} a[k] y[t-k], a[0] = 1. The sum over x is a convolution; the
recursion is taken in blocks, as docs/design/020-recursive-filters.md says, in float64.
"""

from __future__ import annotations

import plait as torch
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F

#: Samples in a block at least: matrices of this size keep products near the peak of the machine.
_BLOCK = 64


def lfilter(
    waveform: Tensor,
    a_coeffs: Tensor,
    b_coeffs: Tensor,
    clamp: bool = True,
    batching: bool = True,
) -> Tensor:
    """The filter with denominator `a_coeffs` and numerator `b_coeffs`, lowest delays first.

    Coefficients are (order + 1,), or (filters, order + 1): then filter i takes row i of the wave
    (..., filters, time), or with `batching=False` each takes the whole wave (..., time). clamp: to
    [-1, 1]. Raises ValueError for coefficients that do not fit each other or the wave.
    """
    if a_coeffs.shape != b_coeffs.shape:
        raise error(
            ValueError,
            f"Expected coeffs to be the same size. Found: a_coeffs size: {tuple(a_coeffs.shape)}, "
            f"b_coeffs size: {tuple(b_coeffs.shape)}",
        )
    if a_coeffs.ndim not in (1, 2):
        raise error(
            ValueError, f"Expected coeffs with 1 or 2 dimensions. Found: {a_coeffs.ndim} in lfilter"
        )
    if a_coeffs.ndim == 1:
        a_coeffs, b_coeffs = a_coeffs.unsqueeze(0), b_coeffs.unsqueeze(0)
    elif not batching:
        waveform = torch.stack([waveform] * a_coeffs.shape[0], -2)
    elif waveform.ndim < 2 or waveform.shape[-2] != a_coeffs.shape[0]:
        raise error(
            ValueError,
            "Expected number of batches in waveform and coeffs to be the same. Found: coeffs "
            f"batches: {a_coeffs.shape[0]}, waveform shape: {tuple(waveform.shape)}",
        )
    shape = tuple(waveform.shape)
    rows = waveform.reshape(-1, a_coeffs.shape[0], shape[-1]).double()
    a, b = a_coeffs.double(), b_coeffs.double()
    found = _recursive(_direct(rows, b / a[:, :1]), a[:, 1:] / a[:, :1]).to(waveform.dtype)
    if clamp:
        found = found.clamp(-1.0, 1.0)
    return found.reshape(shape)


def _direct(x: Tensor, b: Tensor) -> Tensor:
    """The part without memory of its own: x (n, filters, time), b (filters, order + 1)."""
    late = F.pad(x, (b.shape[1] - 1, 0))
    return F.conv1d(late, b.flip(-1).unsqueeze(1), groups=b.shape[0])


def _recursive(v: Tensor, a: Tensor) -> Tensor:
    """y[t] = v[t] - sum_k a[k] y[t-1-k]: v (n, filters, time), a (filters, order)."""
    order, time = a.shape[1], v.shape[-1]
    if not order or not time:
        return v
    block = _BLOCK
    while block < order:
        block *= 2
    answers, leap = _answers_to_states(a, block)
    blocks = F.pad(v, (0, -time % block)).reshape(*v.shape[:2], -1, block)
    within = blocks @ _answers_to_inputs(answers).transpose(-1, -2)
    states = _all_states(within[..., block - order :].flip(-1), leap)
    entering = F.pad(states[..., :-1, :], (0, 0, 1, 0))
    found = within + entering @ answers.transpose(-1, -2)
    return found.reshape(*v.shape[:2], -1)[..., :time]


def _answers_to_states(a: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """What the state before a block, latest output first, adds to each output: (filters, block,
    order); and the matrix that takes it to the state a block later.

    Row j is the first row of C ** (j + 1), C the companion matrix.
    """
    filters, order = a.shape
    shifts = torch.eye(order, dtype=a.dtype)[:-1].expand(filters, order - 1, order)
    power = torch.cat([-a.unsqueeze(1), shifts], 1)
    rows = power[:, :1]
    while rows.shape[1] < block:
        rows = torch.cat([rows, rows @ power], 1)
        power = power @ power
    return rows, power


def _answers_to_inputs(answers: Tensor) -> Tensor:
    """What input j of a block adds to output i >= j: (filters, block, block)."""
    filters, block, _ = answers.shape
    impulse = torch.cat([answers.new_ones(filters, 1), answers[:, :-1, 0]], 1)
    places = torch.arange(block)
    delay = places.unsqueeze(1) - places
    found = impulse[:, delay.clamp(min=0).reshape(-1)].reshape(filters, block, block)
    return torch.where(delay >= 0, found, torch.zeros((), dtype=found.dtype))


def _all_states(own: Tensor, leap: Tensor) -> Tensor:
    """The state after each block of (n, filters, blocks, order), what each alone leaves."""
    distance = 1
    while distance < own.shape[2]:
        earlier = own[..., :-distance, :] @ leap.transpose(-1, -2)
        own = own + F.pad(earlier, (0, 0, distance, 0))
        leap = leap @ leap
        distance *= 2
    return own


def filtfilt(waveform: Tensor, a_coeffs: Tensor, b_coeffs: Tensor, clamp: bool = True) -> Tensor:
    """The filter forwards and then backwards in time, so that phases stay."""
    forwards = lfilter(waveform, a_coeffs, b_coeffs, clamp=False)
    return lfilter(forwards.flip(-1), a_coeffs, b_coeffs, clamp=clamp).flip(-1)


def preemphasis(waveform: Tensor, coeff: float = 0.97) -> Tensor:
    """x[t] - coeff * x[t-1]."""
    return torch.cat([waveform[..., :1], waveform[..., 1:] - coeff * waveform[..., :-1]], -1)


def deemphasis(waveform: Tensor, coeff: float = 0.97) -> Tensor:
    """The inverse of `preemphasis`, clamped to [-1, 1]."""
    a = torch.tensor([1.0, -coeff], dtype=waveform.dtype)
    b = torch.tensor([1.0, 0.0], dtype=waveform.dtype)
    return lfilter(waveform, a, b)
