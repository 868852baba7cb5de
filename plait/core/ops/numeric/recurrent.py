"""LSTM, GRU and Elman network over a sequence, and back, on NumPy."""

from __future__ import annotations

import numpy as np

from plait.core.ops.families import contiguous


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Through exp of a non-positive number on either side: no overflow.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _order(length: int, reverse: bool) -> range:
    return range(length - 1, -1, -1) if reverse else range(length)


def _before(first: np.ndarray, states: np.ndarray, reverse: bool) -> np.ndarray:
    """(T, B, H): the state that each step began with."""
    if reverse:
        return np.concatenate((states[1:], first[None])) if len(states) else states
    return np.concatenate((first[None], states[:-1])) if len(states) else states


def lstm(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, w: np.ndarray, *, reverse: bool
) -> tuple[np.ndarray, ...]:
    """Hidden states, cell states, activated gates; see `ops.recurrent.LSTM_SEQUENCE`."""
    x, w_t = contiguous(x), contiguous(w).T
    h, c = contiguous(h), contiguous(c)
    size = h.shape[1]
    hidden = np.empty((*x.shape[:2], size), x.dtype)
    cells = np.empty_like(hidden)
    gates = np.empty_like(x)
    for t in _order(len(x), reverse):
        z = x[t] + h @ w_t
        gates[t, :, : 2 * size] = _sigmoid(z[:, : 2 * size])
        gates[t, :, 2 * size : 3 * size] = np.tanh(z[:, 2 * size : 3 * size])
        gates[t, :, 3 * size :] = _sigmoid(z[:, 3 * size :])
        i, f, g, o = np.split(gates[t], 4, axis=1)
        c = f * c + i * g
        h = o * np.tanh(c)
        hidden[t], cells[t] = h, c
    return hidden, cells, gates


def lstm_grad(
    dy: np.ndarray,
    dc: np.ndarray,
    gates: np.ndarray,
    cells: np.ndarray,
    c0: np.ndarray,
    w: np.ndarray,
    *dgates: np.ndarray,
    reverse: bool,
) -> tuple[np.ndarray, ...]:
    """Gradients of `x`, `h0` and `c0`; see `ops.recurrent.LSTM_SEQUENCE_GRAD`."""
    dy, dc, gates, cells = (contiguous(part) for part in (dy, dc, gates, cells))
    w = contiguous(w)
    before = _before(c0, cells, reverse)
    into_x = np.empty_like(gates)
    dh, carried = np.zeros_like(c0, order="C"), np.zeros_like(c0, order="C")
    for t in _order(len(gates), not reverse):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        squashed = np.tanh(cells[t])
        dh = dh + dy[t]
        carried = carried + dc[t] + dh * o * (1 - squashed * squashed)
        parts = [carried * g, carried * before[t], carried * i, dh * squashed]
        for extra in dgates:
            parts = [p + e for p, e in zip(parts, np.split(contiguous(extra[t]), 4, axis=1))]
        slopes = (i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o))
        into_x[t] = np.concatenate([p * s for p, s in zip(parts, slopes)], axis=1)
        dh = into_x[t] @ w
        carried = carried * f
    return into_x, dh, carried


def gru(
    x: np.ndarray, h: np.ndarray, w: np.ndarray, *bias: np.ndarray, reverse: bool
) -> tuple[np.ndarray, ...]:
    """Hidden states and gates (r, z, n, hidden part of n); see `ops.recurrent.GRU_SEQUENCE`."""
    x, w_t, h = contiguous(x), contiguous(w).T, contiguous(h)
    size = h.shape[1]
    hidden = np.empty((*x.shape[:2], size), x.dtype)
    gates = np.empty((*x.shape[:2], 4 * size), x.dtype)
    for t in _order(len(x), reverse):
        z = h @ w_t
        for part in bias:
            z += part
        both = _sigmoid(x[t, :, : 2 * size] + z[:, : 2 * size])
        r, update = both[:, :size], both[:, size:]
        within = z[:, 2 * size :]
        n = np.tanh(x[t, :, 2 * size :] + r * within)
        h = n + update * (h - n)
        hidden[t] = h
        gates[t] = np.concatenate((both, n, within), axis=1)
    return hidden, gates


def gru_grad(
    dy: np.ndarray,
    y: np.ndarray,
    gates: np.ndarray,
    h0: np.ndarray,
    w: np.ndarray,
    *dgates: np.ndarray,
    reverse: bool,
) -> tuple[np.ndarray, ...]:
    """Gradients of `x`, the hidden projection and `h0`; see `ops.recurrent.GRU_SEQUENCE_GRAD`."""
    dy, y, gates = (contiguous(part) for part in (dy, y, gates))
    w = contiguous(w)
    size = h0.shape[1]
    before = _before(h0, y, reverse)
    into_x = np.empty((*dy.shape[:2], 3 * size), dy.dtype)
    into_h = np.empty_like(into_x)
    dh = np.zeros_like(h0, order="C")
    for t in _order(len(dy), not reverse):
        r, z, n, within = np.split(gates[t], 4, axis=1)
        dh = dh + dy[t]
        dn, dz = dh * (1 - z), dh * (before[t] - n)
        dr = dwithin = 0
        if dgates:
            more = np.split(contiguous(dgates[0][t]), 4, axis=1)
            dr, dz, dn, dwithin = more[0], dz + more[1], dn + more[2], more[3]
        dn = dn * (1 - n * n)
        dr = (dr + dn * within) * r * (1 - r)
        dz = dz * z * (1 - z)
        into_x[t] = np.concatenate((dr, dz, dn), axis=1)
        into_h[t] = np.concatenate((dr, dz, dn * r + dwithin), axis=1)
        dh = dh * z + into_h[t] @ w
    return into_x, into_h, dh


def elman(x: np.ndarray, h: np.ndarray, w: np.ndarray, *, relu: bool, reverse: bool) -> np.ndarray:
    """Hidden states; see `ops.elman.ELMAN_SEQUENCE`."""
    x, w_t, h = contiguous(x), contiguous(w).T, contiguous(h)
    hidden = np.empty_like(x)
    for t in _order(len(x), reverse):
        z = x[t] + h @ w_t
        h = np.maximum(z, 0) if relu else np.tanh(z)
        hidden[t] = h
    return hidden


def elman_grad(
    dy: np.ndarray, y: np.ndarray, w: np.ndarray, *, relu: bool, reverse: bool
) -> tuple[np.ndarray, ...]:
    """Gradients of `x` and `h0`; see `ops.elman.ELMAN_SEQUENCE_GRAD`."""
    dy, y, w = contiguous(dy), contiguous(y), contiguous(w)
    into_x = np.empty_like(dy)
    dh = np.zeros(dy.shape[1:], dy.dtype)
    for t in _order(len(dy), not reverse):
        d = dh + dy[t]
        into_x[t] = np.where(y[t] <= 0, 0, d) if relu else d * (1 - y[t] * y[t])
        dh = into_x[t] @ w
    return into_x, dh
