"""Addresses of kernels: from memory, from the object cache, or compiled now.

What a program lacks is compiled in a few modules of several kernels each: LLVM's fixed cost per
module is that of a small kernel.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import module
from plait.core.llvm.build import Library, build
from plait.core.llvm.isolate import CompilerCrash, build_isolated
from plait.core.llvm.target import Target
from plait.core.runtime import journal, object_cache
from plait.core.runtime.config import flag
from plait.core.runtime.object_cache import Entry, Folder, entry_name

#: How many kernels share a module. More gain little and make a crash harder to trace.
BATCH = 16

#: How many kernels this process has compiled, and how many it has found on disk.
compiled = 0
loaded = 0

_lock = threading.RLock()
_addresses: dict[str, int] = {}
_libraries: list[Library] = []
#: Kernels that crashed LLVM in another process while there was no folder to note it in.
_refused: set[str] = set()


def _after_fork() -> None:
    """In a child: another thread of the parent may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class KernelRefused(RuntimeError):
    """Compiling a kernel ended a process before; whoever asked should do without it."""

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        names = ", ".join(sorted({kernel.kind for kernel in kernels}))
        super().__init__(f"kernels that LLVM cannot compile without ending the process: {names}")
        self.kernels = tuple(kernels)


def addresses(kernels: Iterable[Kernel], target: Target) -> dict[Kernel, int]:
    """The address of each kernel's function.

    Raises KernelRefused for kernels that crash the compiler, RuntimeError for one whose code LLVM
    rejects.
    """
    wanted = {kernel: kernel.symbol(target) for kernel in dict.fromkeys(kernels)}
    with _lock:
        missing = {s: k for k, s in wanted.items() if s not in _addresses}
        if missing:
            folder = object_cache.folder()
            if folder is not None:
                _load(folder, missing, target)
            _compile(folder, {s: k for s, k in missing.items() if s not in _addresses}, target)
        return {kernel: _addresses[symbol] for kernel, symbol in wanted.items()}


def is_refused(kernel: Kernel, target: Target) -> bool:
    """Whether asking for this kernel would raise KernelRefused without compiling anything."""
    symbol = kernel.symbol(target)
    if symbol in _refused:
        return True
    if symbol in _addresses:
        return False
    folder = object_cache.folder()
    return folder is not None and journal.is_refused(folder, entry_name(symbol, target))


def _load(folder: Folder, missing: Mapping[str, Kernel], target: Target) -> None:
    """Link the entries on disk that define missing symbols."""
    global loaded
    groups: list[tuple[list[bytes], set[str]]] = []
    have: set[str] = set()
    for symbol in missing:
        if symbol in have:
            continue
        entry = folder.read(entry_name(symbol, target))
        if entry is None or symbol not in entry.symbols:
            continue
        have.update(entry.symbols)
        # A library defines each symbol once; entries of different batches may overlap.
        for codes, symbols in groups:
            if symbols.isdisjoint(entry.symbols):
                codes.append(entry.code)
                symbols.update(entry.symbols)
                break
        else:
            groups.append(([entry.code], set(entry.symbols)))
    for codes, symbols in groups:
        try:
            _link(codes, sorted(symbols), target)
        except RuntimeError:
            continue  # compiled anew
        loaded += len(symbols)


def _link(codes: Sequence[bytes], symbols: Sequence[str], target: Target) -> None:
    library = Library(codes, symbols, target)
    _libraries.append(library)
    for symbol in symbols:
        _addresses.setdefault(symbol, library.addresses[symbol])


def _compile(folder: Folder | None, kernels: Mapping[str, Kernel], target: Target) -> None:
    """Compile and link kernels by symbol."""
    if not kernels:
        return
    suspects: list[str] = []
    if folder is not None:
        journal.look(folder)
        names = {symbol: entry_name(symbol, target) for symbol in kernels}
        _refused.update(s for s in kernels if journal.is_refused(folder, names[s]))
        suspects = [s for s in kernels if journal.is_suspect(folder, names[s])]
    refused = [kernel for symbol, kernel in kernels.items() if symbol in _refused]
    if refused:
        raise KernelRefused(refused)
    for symbol in suspects:
        _compile_batch(folder, {symbol: kernels[symbol]}, target, isolated=True)
    place = flag("PLAIT_COMPILE")
    if place not in ("here", "process"):
        raise ValueError(f"PLAIT_COMPILE={place!r}: expected 'here' or 'process'")
    isolated = place == "process"
    for optimize in (False, True):
        rest = [s for s, k in kernels.items() if k.optimize is optimize and s not in suspects]
        for start in range(0, len(rest), BATCH):
            batch = {s: kernels[s] for s in rest[start : start + BATCH]}
            _compile_batch(folder, batch, target, isolated=isolated)


def _compile_batch(
    folder: Folder | None, batch: Mapping[str, Kernel], target: Target, *, isolated: bool
) -> None:
    """One module, one library, one entry. Kernels that crash alone elsewhere are refused."""
    global compiled
    symbols = list(batch)
    text = module([k.emit(s, target) for s, k in batch.items()], target.vector_bytes)
    optimize = next(iter(batch.values())).optimize
    try:
        if isolated:
            code = build_isolated(text, target, optimize=optimize)
            _link([code], symbols, target)
        else:
            with journal.compiling(folder, [entry_name(s, target) for s in symbols]):
                code = build(text, target, optimize=optimize)
                _link([code], symbols, target)
    except CompilerCrash:
        if len(batch) > 1:
            for symbol, kernel in batch.items():
                _compile_batch(folder, {symbol: kernel}, target, isolated=True)
            return
        _refused.update(symbols)
        if folder is not None:
            journal.refuse(folder, entry_name(symbols[0], target))
        raise KernelRefused(list(batch.values())) from None
    except RuntimeError as fault:
        kinds = ", ".join(sorted({kernel.kind for kernel in batch.values()}))
        raise RuntimeError(f"LLVM rejects a kernel among {kinds}: {fault}") from None
    compiled += len(batch)
    if folder is not None:
        names = [entry_name(symbol, target) for symbol in symbols]
        folder.write(names, Entry(tuple(symbols), code))
        if isolated:
            for name in names:
                journal.acquit(folder, name)


def module_of(name: str, text: str, symbols: Sequence[str], target: Target) -> Library:
    """A library made of given IR text, through the same cache; the caller keeps it alive."""
    folder = object_cache.folder()
    entry = folder.read(entry_name(name, target)) if folder is not None else None
    if entry is not None:
        try:
            return Library([entry.code], symbols, target)
        except RuntimeError:
            pass  # compiled anew
    code = build(text, target)
    library = Library([code], symbols, target)
    if folder is not None:
        folder.write([entry_name(name, target)], Entry(tuple(symbols), code))
    return library
