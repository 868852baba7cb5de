"""Random bits as a launch; masks and uniform numbers come through their bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.philox import PER_UNIT, emit_random_bits
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.graph import Instruction
from plait.core.ir.op import elements


def lower_random_bits(
    made: Instruction,
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    plan: Plan,
    epilogue: Any = None,
) -> bool:
    """32 random bits for each element."""
    count = elements(made.shape)
    if epilogue is not None or not count:
        return False
    plan.launch(
        Launch(
            Kernel("random_bits", (), lambda symbol, target: emit_random_bits(symbol)),
            tuple(outputs),
            tuple(inputs),
            units=-(-count // PER_UNIT),
            numbers=(count,),
            flops=15 * count,
            bytes=outputs[0].nbytes,
        )
    )
    return True


LOWERINGS = {"random_bits": lower_random_bits}
