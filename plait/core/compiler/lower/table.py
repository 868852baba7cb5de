"""Which lowering makes kernels of which op: one line per family."""

from __future__ import annotations

from collections.abc import Callable

from plait.core.compiler.lower import (
    attention,
    checks,
    contract,
    conv,
    copies,
    cumulative,
    gather,
    random,
    recurrent,
    scatter,
    sort,
    window,
)

#: By op name. Elementwise ops, reductions, views and row-wise composites are not here: the fusion
#: pass makes row kernels of them.
LOWERINGS: dict[str, Callable[..., bool]] = {}

# Matrix products.
LOWERINGS.update(contract.LOWERINGS)
# Convolution and pooling.
LOWERINGS.update(conv.LOWERINGS)
LOWERINGS.update(window.LOWERINGS)
# LSTM and GRU over a sequence.
LOWERINGS.update(recurrent.LOWERINGS)
# Movement by index, and checks of values.
LOWERINGS.update(gather.LOWERINGS)
LOWERINGS.update(scatter.LOWERINGS)
LOWERINGS.update(checks.LOWERINGS)
# Copies that no reader of the view can do without.
LOWERINGS.update(copies.LOWERINGS)
# Lines: sorting and scans.
LOWERINGS.update(sort.LOWERINGS)
LOWERINGS.update(cumulative.LOWERINGS)
# Attention.
LOWERINGS.update(attention.LOWERINGS)
# Random bits.
LOWERINGS.update(random.LOWERINGS)
