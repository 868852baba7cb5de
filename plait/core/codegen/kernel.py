"""What a kernel is: its structure, its code, and how it is called.

Every kernel is one native function

    i64 name(ptr args, i64 begin, i64 end, ptr scratch)

- `args`: 8-byte words; first the addresses of the buffers (outputs, then inputs), then i64 numbers.
- `[begin, end)`: which units of its work to do. Units are independent: however they are dealt out
  to threads, in whatever order, the bits of the result are the same.
- `scratch`: memory of this thread alone, `Launch.scratch` bytes, aligned to 64.
- It gives 0, or a fault code > 0 (a bad index, ...), and then what it wrote is thrown away.

Buffers are row-major and contiguous, aligned to at least 16 bytes (those of the arena to 64); bool
is one byte, bfloat16 and float16 two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from plait.core.codegen.text import Function
from plait.core.llvm.target import Target


@dataclass(frozen=True)
class Kernel:
    """Code by its structure: two kernels with equal keys (and targets) are the same code.

    key: hashable, printable; all that the emitted code depends on. emit: writes the function under
    the given symbol. optimize: run LLVM's own passes over it.
    """

    kind: str
    key: tuple
    emit: Callable[[str, Target], Function] = field(compare=False, repr=False)
    optimize: bool = False

    def symbol(self, target: Target) -> str:
        """The name of its function: the kind, and a hash of all that decides its code."""
        known: tuple[Target, str] | None = self.__dict__.get("_symbol")
        if known is None or known[0] is not target:
            text = repr((self.kind, self.key, target.isa, target.features, self.optimize))
            name = f"plait_{self.kind}_{hashlib.sha256(text.encode()).hexdigest()[:20]}"
            known = self.__dict__["_symbol"] = (target, name)
        return known[1]


@dataclass(frozen=True)
class Launch:
    """One call of a kernel on buffers, as a lowering asks for it.

    outputs, inputs: buffers (`compiler.plan.Buffer`); the kernel's first arguments in this order.
    numbers: the i64 arguments after them. units: how many units of work; grain: the least number
    of them worth a thread of its own. scratch: bytes of thread-private memory. flops, bytes: its
    work and compulsory traffic. also_reads: an output that is read as well (accumulation). fault:
    None, or (the `Instruction` whose check explains a nonzero code, the buffers of its operands).
    in_place: pairs (position in outputs, position in inputs) that may be the same memory.
    """

    kernel: Kernel
    outputs: tuple[Any, ...]
    inputs: tuple[Any, ...]
    units: int = 1
    numbers: tuple[int, ...] = ()
    grain: int = 1
    scratch: int = 0
    flops: int = 0
    bytes: int = 0
    also_reads: bool = False
    fault: Any = None
    in_place: tuple[tuple[int, int], ...] = ()
