"""Addresses of kernels: from memory, from the object cache, or compiled now.

What a program lacks is compiled in modules of a few kernels each, on all processors at once, while
this thread still writes the text of others. LLVM's fixed cost per module is that of a small kernel.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, module
from plait.core.llvm.build import Library, build
from plait.core.llvm.isolate import CompilerCrash, build_isolated
from plait.core.llvm.target import Target
from plait.core.runtime import journal, object_cache, settling
from plait.core.runtime.config import flag
from plait.core.runtime.crew import share
from plait.core.runtime.object_cache import Entry, Folder, entry_name
from plait.core.runtime.processors import processors

#: A module ends with the kernel that makes it so many lines long, some 20 ms of LLVM: enough that
#: its fixed cost does not count, and short enough to keep several processors busy to the end.
LINES = 600
#: And with that many kernels: more gain little and make a crash harder to trace.
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
    settling.begin(llvm=True)
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
        _compile_isolated(folder, {symbol: kernels[symbol]}, target)
    place = flag("PLAIT_COMPILE")
    if place not in ("here", "process"):
        raise ValueError(f"PLAIT_COMPILE={place!r}: expected 'here' or 'process'")
    rest = {symbol: kernel for symbol, kernel in kernels.items() if symbol not in suspects}
    if place == "here":
        _compile_here(folder, rest, target)
        return
    for optimize in (False, True):
        for batch in _batches(rest, optimize, target):
            _compile_isolated(folder, {symbol: rest[symbol] for symbol in batch}, target)


def _batches(
    kernels: Mapping[str, Kernel], optimize: bool, target: Target
) -> Iterator[dict[str, Function]]:
    """The kernels that LLVM's own passes are (or are not) to run over, as code, by modules."""
    batch: dict[str, Function] = {}
    for symbol, kernel in kernels.items():
        if kernel.optimize is not optimize:
            continue
        batch[symbol] = kernel.emit(symbol, target)
        if len(batch) == BATCH or sum(len(f.lines) for f in batch.values()) >= LINES:
            yield batch
            batch = {}
    if batch:
        yield batch


def _compile_here(folder: Folder | None, kernels: Mapping[str, Kernel], target: Target) -> None:
    """All modules on all processors; one library, and an entry for each module."""
    global compiled
    batches: list[tuple[str, ...]] = []

    def jobs() -> Iterator[tuple[int, Callable[[], bytes]]]:
        for optimize in (False, True):
            for batch in _batches(kernels, optimize, target):
                batches.append(tuple(batch))
                lines = sum(len(function.lines) for function in batch.values())
                text = module(list(batch.values()), target.vector_bytes)
                yield lines, partial(_built, folder, batches[-1], text, target, optimize)

    try:
        codes = share(jobs(), _most_threads())
        with journal.compiling(folder, [entry_name(symbol, target) for symbol in kernels]):
            _link(codes, list(kernels), target)
    except RuntimeError as fault:
        raise _rejected(kernels.values(), fault) from None
    compiled += len(kernels)
    if folder is not None:
        for symbols, code in zip(batches, codes):
            folder.write([entry_name(symbol, target) for symbol in symbols], Entry(symbols, code))


def _most_threads() -> int:
    """How many threads may compile: as many as may run programs."""
    asked = int(flag("PLAIT_THREADS"))
    return min(asked, processors()) if asked > 0 else processors()


def _built(
    folder: Folder | None, symbols: Sequence[str], text: str, target: Target, optimize: bool
) -> bytes:
    """The object code of a module, which is on record as long as LLVM is at it."""
    with journal.compiling(folder, [entry_name(symbol, target) for symbol in symbols]):
        return build(text, target, optimize=optimize)


def _rejected(kernels: Iterable[Kernel], fault: RuntimeError) -> RuntimeError:
    kinds = ", ".join(sorted({kernel.kind for kernel in kernels}))
    return RuntimeError(f"LLVM rejects a kernel among {kinds}: {fault}")


def _compile_isolated(folder: Folder | None, batch: Mapping[str, Kernel], target: Target) -> None:
    """One module, one library, one entry, by another process. Kernels that crash alone there are
    refused."""
    global compiled
    symbols = list(batch)
    text = module([k.emit(s, target) for s, k in batch.items()], target.vector_bytes)
    try:
        code = build_isolated(text, target, optimize=next(iter(batch.values())).optimize)
        _link([code], symbols, target)
    except CompilerCrash:
        if len(batch) > 1:
            for symbol, kernel in batch.items():
                _compile_isolated(folder, {symbol: kernel}, target)
            return
        _refused.update(symbols)
        if folder is not None:
            journal.refuse(folder, entry_name(symbols[0], target))
        raise KernelRefused(list(batch.values())) from None
    except RuntimeError as fault:
        raise _rejected(batch.values(), fault) from None
    compiled += len(batch)
    if folder is not None:
        names = [entry_name(symbol, target) for symbol in symbols]
        folder.write(names, Entry(tuple(symbols), code))
        for name in names:
            journal.acquit(folder, name)


def module_of(name: str, text: str, symbols: Sequence[str], target: Target) -> Library:
    """A library made of given IR text, through the same cache; the caller keeps it alive."""
    library = _module_of(name, text, symbols, target)
    settling.begin(llvm=True)
    return library


def _module_of(name: str, text: str, symbols: Sequence[str], target: Target) -> Library:
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
