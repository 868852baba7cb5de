"""IR text to object code, and object code to callable addresses.

Kernels are written with explicit vectors, so that no optimisation pass has to find them: by default
only the cheap clean-up passes run. Threads may build at once: each has its own machine and contexts
(`unlocked.py`). A failed assertion inside LLVM ends the process, which is why the runtime keeps a
journal of what it is about to compile.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from plait.core.llvm import unlocked
from plait.core.llvm.halves import with_own_conversions
from plait.core.llvm.target import Target


def version() -> str:
    """llvmlite's version, which fixes LLVM's."""
    import llvmlite

    return llvmlite.__version__


class _Machines(threading.local):
    """The machines of one thread, by their targets."""

    def __init__(self) -> None:
        self.made: dict[Target, Any] = {}


_machines = _Machines()


@functools.cache
def _initialize() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine(target: Target) -> Any:
    """LLVM's machine of a target, of this thread alone."""
    found = _machines.made.get(target)
    if found is None:
        import llvmlite.binding as llvm

        _initialize()
        # opt=0 cannot select masks of 16 lanes, and level 3 costs time without gain on explicit
        # code.
        found = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=target.features, opt=2, jit=True
        )
        _machines.made[target] = found
    return found


def build(text: str, target: Target, *, optimize: bool = False) -> bytes:
    """Object code of a module of IR text.

    optimize: run LLVM's own pipeline too (for code with scalar loops). Raises RuntimeError with
    LLVM's message for IR that does not parse or verify.
    """
    machine = _machine(target)
    return unlocked.emit_object(machine, _simplified(text, target, machine, optimize))


def _simplified(text: str, target: Target, machine: Any, optimize: bool) -> Any:
    """The module of IR text after LLVM's passes."""
    import llvmlite.binding as llvm

    if target.isa == "generic":
        text = with_own_conversions(text)
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2 if optimize else 1)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if optimize:
        manager = builder.getModulePassManager()
        manager.run(module, builder)
    else:
        manager = llvm.create_new_function_pass_manager()
        manager.add_sroa_pass()
        manager.add_instruction_combine_pass()
        manager.add_new_gvn_pass()
        manager.add_simplify_cfg_pass()
        for function in module.functions:
            if not function.is_declaration:
                unlocked.optimize(manager, function, builder)
    return module


def assembly(text: str, target: Target, *, optimize: bool = False) -> str:
    """The assembly of what `build` makes of a module of IR text, for readers."""
    machine = _machine(target)
    return machine.emit_assembly(_simplified(text, target, machine, optimize))


class Library:
    """Linked object code; its addresses are valid as long as it lives."""

    def __init__(self, objects: Sequence[bytes], symbols: Iterable[str], target: Target) -> None:
        """Link `objects` into the process and look `symbols` up. Raises RuntimeError."""
        import llvmlite.binding as llvm

        self._jit = llvm.create_lljit_compiler(_machine(target), use_jit_link=True)
        builder = llvm.JITLibraryBuilder()
        for data in objects:
            builder = builder.add_object_img(data)
        for symbol in symbols:
            builder = builder.export_symbol(symbol)
        self._tracker = builder.add_current_process().link(self._jit, "kernels")
        self.addresses = {symbol: self._tracker[symbol] for symbol in symbols}
