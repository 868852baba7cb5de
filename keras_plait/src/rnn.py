"""Recurrent layers: steps over time as one loop, LSTM and GRU as one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src import activations, tree

import plait as torch
from keras_plait.src.control import scan
from keras_plait.src.core import convert_to_tensor
from plait.core.ops.recurrent import GRU_SEQUENCE, LSTM_SEQUENCE


def rnn(
    step_function: Callable[[Any, Any], tuple[Any, Any]],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """(last output, outputs, last states) of `step_function(input, states)` over time.

    inputs: (batch, time, ...), or time first with `time_major`. mask: (batch, time), true where a
    step counts; elsewhere the states stay, and the output is the last one, or 0.
    """

    def turned(x: Any) -> Any:
        return x if time_major else x.swapaxes(0, 1)

    inputs = tree.map_structure(lambda x: turned(convert_to_tensor(x)), inputs)
    states = tree.map_structure(convert_to_tensor, tuple(initial_states))
    extra = tuple(constants or ())
    if go_backwards:
        inputs = tree.map_structure(lambda x: torch.flip(x, (0,)), inputs)
    if mask is not None:
        mask = convert_to_tensor(mask).to(torch.bool)
        mask = turned(mask if mask.ndim > 2 else mask.unsqueeze(-1))
        mask = torch.flip(mask, (0,)) if go_backwards else mask
    if unroll and not tree.flatten(inputs)[0].shape[0]:
        raise ValueError("Unrolling requires a fixed number of timesteps.")

    def step(states: Any, x: Any) -> tuple[Any, Any]:
        x, counts = x if mask is not None else (x, None)
        output, new_states = step_function(x, (*states, *extra))
        new_states = tuple(new_states)
        if counts is None:
            return new_states, output
        kept = tree.map_structure(
            lambda new, old: torch.where(_spread(counts, new), new, old), new_states, states
        )
        before = torch.zeros_like(output) if zero_output_for_mask else _last_output(states)
        return kept, torch.where(_spread(counts, output), output, before)

    states, outputs = scan(
        step, states, inputs if mask is None else (inputs, mask), unroll=True if unroll else 1
    )
    last = tree.map_structure(lambda x: x[-1], outputs)
    if not return_all_outputs:
        outputs = tree.map_structure(lambda x: x[-1:], outputs)
    return last, tree.map_structure(turned, outputs), states


def _first(states: Any) -> Any:
    return tree.flatten(states)[0]


def _last_output(states: Any) -> Any:
    """What a layer gave last: its first state; of stacked cells, the first one of the last cell."""
    return states[-1][0] if isinstance(states[0], (list, tuple)) else states[0]


def _spread(mask: Any, like: Any) -> Any:
    """A mask (batch, 1, ...) beside a value (batch, ...)."""
    return mask.reshape(*mask.shape, *[1] * (like.ndim - mask.ndim))


def cudnn_ok(*args: Any, **kwargs: Any) -> bool:
    return False


# -- as one operation ------------------------------------------------------------------------------


def _require_standard(mask: Any, unroll: bool, activation: Any, recurrent_activation: Any) -> None:
    """Raise NotImplementedError, by which Keras takes the general loop."""
    if mask is not None or unroll:
        raise NotImplementedError("a mask, or an unrolled loop")
    if activation not in (activations.tanh, None) or (
        recurrent_activation not in (activations.sigmoid, None)
    ):
        raise NotImplementedError("other activations")


def _gates(inputs: Any, kernel: Any, bias: Any) -> Any:
    """The share of the input in all gates, (time, batch, gates)."""
    kernel = convert_to_tensor(kernel)
    made = convert_to_tensor(inputs).to(kernel.dtype).swapaxes(0, 1) @ kernel
    return made if bias is None else made + convert_to_tensor(bias)


def _result(hidden: Any, last: Any, states: list[Any], return_sequences: bool) -> Any:
    if not return_sequences:
        return last, last.unsqueeze(1), states
    return last, hidden.swapaxes(0, 1), states


def lstm(
    inputs: Any,
    initial_state_h: Any,
    initial_state_c: Any,
    mask: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    activation: Any,
    recurrent_activation: Any,
    return_sequences: bool = False,
    go_backwards: bool = False,
    unroll: bool = False,
) -> Any:
    """(last output, outputs, [h, c]) of an LSTM over (batch, time, size). Gates in the order
    input, forget, cell, output. Raises NotImplementedError for what the operation has not."""
    _require_standard(mask, unroll, activation, recurrent_activation)
    gates = _gates(inputs, kernel, bias)
    weight = convert_to_tensor(recurrent_kernel).mT
    h, c = (convert_to_tensor(x).to(gates.dtype) for x in (initial_state_h, initial_state_c))
    hidden, cells, _ = LSTM_SEQUENCE(gates, h, c, weight, reverse=go_backwards)
    end = 0 if go_backwards else -1
    states = [hidden[end], cells[end]]
    if go_backwards:
        hidden = torch.flip(hidden, (0,))
    return _result(hidden, states[0], states, return_sequences)


def gru(
    inputs: Any,
    initial_state: Any,
    mask: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    activation: Any,
    recurrent_activation: Any,
    return_sequences: bool = False,
    go_backwards: bool = False,
    unroll: bool = False,
    reset_after: bool = True,
) -> Any:
    """(last output, outputs, [h]) of a GRU over (batch, time, size). Raises NotImplementedError
    for what the operation has not: a reset gate before the matrix product, a mask."""
    _require_standard(mask, unroll, activation, recurrent_activation)
    if not reset_after:
        raise NotImplementedError("the reset gate before the matrix product")
    own = () if bias is None else (_reset_first(convert_to_tensor(bias)[1], 0),)
    first = None if bias is None else convert_to_tensor(bias)[0]
    gates = _reset_first(_gates(inputs, kernel, first), -1)
    weight = _reset_first(convert_to_tensor(recurrent_kernel), -1).mT
    h = convert_to_tensor(_first(initial_state)).to(gates.dtype)
    hidden, _ = GRU_SEQUENCE(gates, h, weight, *own, reverse=go_backwards)
    last = hidden[0 if go_backwards else -1]
    if go_backwards:
        hidden = torch.flip(hidden, (0,))
    return _result(hidden, last, [last], return_sequences)


def _reset_first(x: Any, axis: int) -> Any:
    """Gates in Keras' order (update, reset, new) as the operation takes them (reset, update,
    new)."""
    update, reset, new = torch.tensor_split(x, 3, dim=axis)
    return torch.cat([reset, update, new], axis)


def bidirectional_lstm(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("both directions as one operation")


def bidirectional_gru(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("both directions as one operation")
