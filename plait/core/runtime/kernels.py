"""Addresses of kernels: from memory, or compiled now."""

from __future__ import annotations

from collections.abc import Iterable

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import module
from plait.core.llvm.build import Library, build
from plait.core.llvm.target import Target

_addresses: dict[str, int] = {}
_libraries: list[Library] = []


def addresses(kernels: Iterable[Kernel], target: Target) -> dict[str, int]:
    """The address of each kernel's function, by symbol."""
    wanted = {kernel.symbol(target): kernel for kernel in kernels}
    for symbol, kernel in wanted.items():
        if symbol not in _addresses:
            text = module([kernel.emit(symbol, target)], target.vector_bytes)
            library = Library([build(text, target, optimize=kernel.optimize)], [symbol], target)
            _libraries.append(library)
            _addresses[symbol] = library.addresses[symbol]
    return {symbol: _addresses[symbol] for symbol in wanted}
