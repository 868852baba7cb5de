"""What recurrent layers compute: steps in Python, whole sequences as one op, layers of them.

The input's share of all gates is computed for all steps at once. What depends on the state is one
op over a padded sequence; over a packed one, and with projections, it is a loop in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plait
from plait import Tensor
from plait._autocast import lower
from plait._autocast import state as autocast
from plait.core.lazy.replay.function import one_step
from plait.core.ops.elman import ELMAN_SEQUENCE
from plait.core.ops.recurrent import GRU_SEQUENCE, LSTM_SEQUENCE
from plait.core.ops.view import CONCAT, reshape, slice_axis, transpose
from plait.nn import functional as F

#: The state between steps: (h,), and for the LSTM (h, c); each (N, size).
State = tuple[Tensor, ...]
#: How many tensors the weights of a layer in one direction are: w_ih, w_hh, b_ih, b_hh, w_hr.
WEIGHTS = 5


def _elman_step(activation: Callable[[Tensor], Tensor]) -> Callable[..., State]:
    def step(x: Tensor, state: State, w_hh: Tensor, b_hh: Any, w_hr: Any) -> State:
        return (activation(x + F.linear(state[0], w_hh, b_hh)),)

    return step


def _lstm_step(x: Tensor, state: State, w_hh: Tensor, b_hh: Any, w_hr: Any) -> State:
    h, c = state
    i, f, g, o = (x + F.linear(h, w_hh, b_hh)).chunk(4, 1)
    c = plait.sigmoid(f) * c + plait.sigmoid(i) * plait.tanh(g)
    h = plait.sigmoid(o) * plait.tanh(c)
    return (h if w_hr is None else F.linear(h, w_hr), c)


def _gru_step(x: Tensor, state: State, w_hh: Tensor, b_hh: Any, w_hr: Any) -> State:
    (h,) = state
    x_r, x_z, x_n = x.chunk(3, 1)
    h_r, h_z, h_n = F.linear(h, w_hh, b_hh).chunk(3, 1)
    r = plait.sigmoid(x_r + h_r)
    z = plait.sigmoid(x_z + h_z)
    n = plait.tanh(x_n + r * h_n)
    return (n + z * (h - n),)


#: One time step by mode: (the input's share of the gates (N, gates), state, weights) -> state.
STEPS: dict[str, Callable[..., State]] = {
    "LSTM": _lstm_step,
    "GRU": _gru_step,
    "RNN_TANH": _elman_step(plait.tanh),
    "RNN_RELU": _elman_step(plait.relu),
}


def _scan(
    step: Callable[[Tensor, State], State], xs: Sequence[Tensor], initial: State, reverse: bool
) -> tuple[list[Tensor], State]:
    """Run `step` along `xs`, whose batch (axis 0) may shrink with time as in a packed sequence.

    Returns the outputs h in the order of `xs`, and the last state of every sequence.
    """
    outputs: list[Tensor] = []
    finished: list[State] = []
    order = reversed(xs) if reverse else xs
    first = xs[-1] if reverse else xs[0]
    state = tuple(s[: first.size(0)] for s in initial)
    for x in order:
        alive, held = x.size(0), state[0].size(0)
        if alive < held:  # forwards: the shortest sequences, which come last, have ended
            finished.append(tuple(s[alive:] for s in state))
            state = tuple(s[:alive] for s in state)
        elif alive > held:  # backwards: longer sequences end here, and begin
            state = tuple(plait.cat([s, s0[held:alive]]) for s, s0 in zip(state, initial))
        state = step(x, state)
        outputs.append(state[0])
    if finished:
        parts = [state, *reversed(finished)]
        state = tuple(plait.cat([part[i] for part in parts]) for i in range(len(state)))
    return (outputs[::-1] if reverse else outputs), state


def _row(x: Tensor, row: int) -> Tensor:
    """x[row] with its axis kept, as a value of its own."""
    return slice_axis(x, 0, row, row + 1)


def _lstm_sequence(
    data: Tensor, state: State, weights: Sequence[Any], reverse: bool
) -> tuple[Tensor, State]:
    """An LSTM over data (L, N, size) from state (h, c): outputs (L, N, hidden), last state, each
    (1, N, hidden)."""
    w_ih, w_hh, b_ih, b_hh, _ = weights
    gates = F.linear(data, w_ih, None if b_ih is None else b_ih + b_hh)
    hidden, cells, _ = LSTM_SEQUENCE(gates, *state, w_hh, reverse=reverse)
    last = 0 if reverse else len(data) - 1
    return hidden, (_row(hidden, last), _row(cells, last))


def _gru_sequence(
    data: Tensor, state: State, weights: Sequence[Any], reverse: bool
) -> tuple[Tensor, State]:
    """A GRU over data (L, N, size) from state (h,): outputs (L, N, hidden), last state."""
    w_ih, w_hh, b_ih, b_hh, _ = weights
    bias = () if b_hh is None else (b_hh,)
    hidden, _ = GRU_SEQUENCE(F.linear(data, w_ih, b_ih), *state, w_hh, *bias, reverse=reverse)
    return hidden, (_row(hidden, 0 if reverse else len(data) - 1),)


def _elman_sequence(relu: bool) -> Callable[..., tuple[Tensor, State]]:
    def sequence(
        data: Tensor, state: State, weights: Sequence[Any], reverse: bool
    ) -> tuple[Tensor, State]:
        """As `_gru_sequence`."""
        w_ih, w_hh, b_ih, b_hh, _ = weights
        x = F.linear(data, w_ih, None if b_ih is None else b_ih + b_hh)
        hidden = ELMAN_SEQUENCE(x, *state, w_hh, relu=relu, reverse=reverse)
        return hidden, (_row(hidden, 0 if reverse else len(data) - 1),)

    return sequence


#: The whole sequence of a mode as one op.
_SEQUENCES: dict[str, Callable[..., tuple[Tensor, State]]] = {
    "LSTM": _lstm_sequence,
    "GRU": _gru_sequence,
    "RNN_TANH": _elman_sequence(relu=False),
    "RNN_RELU": _elman_sequence(relu=True),
}


def _one(
    mode: str,
    data: Tensor,
    sizes: Sequence[int],
    initial: State,
    weights: Sequence[Any],
    reverse: bool,
) -> tuple[Tensor, State]:
    """One layer in one direction over `data`, shaped as for `layers`: outputs, last state, each
    (1, N, size)."""
    if mode != "GRU":
        (data,) = lower(data)
        initial, weights = lower(*initial), list(lower(*weights))
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    packed = data.dim() == 2
    same = all(x is None or x.dtype is data.dtype for x in (*initial, *weights))
    # In a region of autocast a GRU's state stays in full precision, as in PyTorch.
    mixed = autocast.enabled and mode == "GRU"
    if not packed and w_hr is None and same and not mixed and data.is_floating_point():
        return _SEQUENCES[mode](data, initial, weights, reverse)
    gates = F.linear(data, w_ih, b_ih)
    xs = gates.split(sizes) if packed else gates.unbind(0)

    def advance(x: Tensor, s: State) -> State:
        return STEPS[mode](x, s, w_hh, b_hh, w_hr)

    outputs, end = _scan(advance, xs, initial, reverse)
    end = tuple(reshape(s, (1, *s.shape)) for s in end)
    return (plait.cat(outputs) if packed else plait.stack(outputs)), end


def layers(
    mode: str,
    directions: int,
    dropout: float,
    data: Tensor,
    sizes: Sequence[int],
    state: State,
    weights: Sequence[Any],
) -> tuple[Tensor, ...]:
    """All layers over `data`: (L, N, size), or (sum of sizes, size) for packed sequences.

    sizes: sequences per step. state: (layers * directions, N, size) each, or (N, size) that all
    begin with. weights: `WEIGHTS` for each layer and direction, None for those that are not there.
    Gives the outputs of the last layer, and the last state (layers * directions, N, size).
    """
    ends: list[State] = []
    count = len(weights) // WEIGHTS
    for first in range(0, count, directions):
        outputs = []
        for number in range(first, first + directions):
            initial = tuple(
                s if s.dim() == 2 else reshape(_row(s, number), s.shape[1:]) for s in state
            )
            own = weights[number * WEIGHTS : (number + 1) * WEIGHTS]
            made, end = _one(mode, data, sizes, initial, own, number > first)
            outputs.append(made)
            ends.append(end)
        data = outputs[0] if directions == 1 else plait.cat(outputs, dim=-1)
        if dropout > 0 and first + directions < count:
            data = F.dropout(data, dropout)
    last = [parts[0] if len(parts) == 1 else CONCAT(*parts, axis=0) for parts in zip(*ends)]
    return (data, *last)


@one_step
def padded(
    mode: str,
    directions: int,
    batch_first: bool,
    state_sizes: tuple[int, ...],
    input: Tensor,
    *given: Any,
) -> tuple[Tensor, ...]:
    """All layers over a batch (L, N, size), or (N, L, size): outputs (L, N, size), last state.

    state_sizes: of h and c; given: as many tensors (layers * directions, N, size), or None for
    zeros, then the weights as `layers` has them.
    """
    if batch_first:
        input = transpose(input, (1, 0, 2))
    length, batch = input.shape[:2]
    count = len(state_sizes)
    # One tensor for all sizes alike.
    zeros = {
        size: plait.zeros((batch, size), dtype=input.dtype, device=input.device)
        for size, held in zip(state_sizes, given)
        if held is None
    }
    state = tuple(zeros[n] if held is None else held for n, held in zip(state_sizes, given))
    return layers(mode, directions, 0.0, input, [batch] * length, state, given[count:])
