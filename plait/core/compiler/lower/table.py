"""Which lowering makes kernels of which op: one line per family."""

from __future__ import annotations

from collections.abc import Callable

from plait.core.compiler.lower import attention, contract, conv, recurrent, window

#: By op name. Elementwise ops, reductions, views and row-wise composites are not here: the fusion
#: pass makes row kernels of them.
LOWERINGS: dict[str, Callable[..., bool]] = {}

# Attention.
LOWERINGS.update(attention.LOWERINGS)
# Matrix products.
LOWERINGS.update(contract.LOWERINGS)
# Convolution and pooling.
LOWERINGS.update(conv.LOWERINGS)
LOWERINGS.update(window.LOWERINGS)
# LSTM and GRU over a sequence.
LOWERINGS.update(recurrent.LOWERINGS)
