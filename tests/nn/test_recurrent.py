"""Recurrent layers: a sequence in one op gives what a loop over its steps gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait
from plait import nn
from plait.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

#: (class, options) of layers whose padded path is one op per layer and direction.
LAYERS: list[tuple[Any, dict[str, Any]]] = [
    (nn.LSTM, {}),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    (nn.LSTM, {"bias": False, "bidirectional": True}),
    (nn.GRU, {}),
    (nn.GRU, {"num_layers": 2, "bidirectional": True}),
    (nn.GRU, {"bias": False, "bidirectional": True}),
    (nn.RNN, {"bidirectional": True}),
    (nn.RNN, {"bias": False, "nonlinearity": "relu"}),
]
T, N, SIZE, HIDDEN = 4, 3, 5, 6


def _states(layer: Any) -> Any:
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    state = plait.randn(rows, N, HIDDEN, dtype=plait.float64).requires_grad_()
    if layer.mode != "LSTM":
        return state, [state]
    cell = plait.randn(rows, N, HIDDEN, dtype=plait.float64).requires_grad_()
    return (state, cell), [state, cell]


@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_padded_is_packed(kind: Any, options: dict[str, Any]) -> None:
    """Packed sequences go step by step: of full length, they give the same, gradients too."""
    plait.manual_seed(0)
    layer = kind(SIZE, HIDDEN, dtype=plait.float64, **options)
    x = plait.randn(T, N, SIZE, dtype=plait.float64).requires_grad_()
    state, leaves = _states(layer)
    weights = plait.randn(T, N, HIDDEN * (2 if layer.bidirectional else 1), dtype=plait.float64)
    wanted = [x, *leaves, *layer.parameters()]

    def gradients(outputs: Any, last: Any) -> list[np.ndarray]:
        ends = last if isinstance(last, tuple) else (last,)
        total = (outputs * weights).sum() + sum((end**2).sum() for end in ends)
        grads = plait.autograd.grad(total, wanted)
        return [outputs.detach().numpy(), *[g.numpy() for g in grads]]

    padded = gradients(*layer(x, state))
    packed, last = layer(pack_padded_sequence(x, [T] * N), state)
    stepped = gradients(pad_packed_sequence(packed)[0], last)
    for a, b in zip(padded, stepped, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_graph_does_not_grow_with_time(kind: Any) -> None:
    layer = kind(SIZE, HIDDEN)

    def recorded(steps: int) -> int:
        total = layer(plait.randn(steps, N, SIZE))[0].sum()
        nodes, waiting = set(), [total.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in nodes:
                nodes.add(node)
                waiting += [parent for parent, _ in node.next_functions]
        return len(nodes)

    assert recorded(3) == recorded(40)
