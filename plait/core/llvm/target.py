"""The machine that code is made for: instruction set, vector width, caches.

The CPU name that the system reports can lie (virtual machines), so the feature map decides.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from dataclasses import dataclass, replace

#: Features of each instruction set that can be forced; "host" takes what the CPU has.
_AVX2 = ("avx", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "popcnt", "movbe", "sse4.2", "cx16")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_EXTRAS = ("avx512bf16", "avx512vnni", "avx512vbmi")
_AMX = ("amx-tile", "amx-bf16")


@dataclass(frozen=True)
class Target:
    """What kernels may use. Hashable: part of every cache key.

    isa: "avx512", "avx2", "neon" or "generic". vector_bytes: width of a vector register.
    registers: how many vector registers there are. features: LLVM's feature string. amx: whether
    there are tiles, and products of bfloat16 on them.
    """

    isa: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    bf16: bool
    vnni: bool
    amx: bool
    l1_bytes: int = 32 << 10
    l2_bytes: int = 1 << 20

    @property
    def wide(self) -> bool:
        """Whether registers hold 16 floats, with the instructions of AVX-512 on them."""
        return self.isa == "avx512"

    def without_amx(self) -> Target:
        """The same, without tiles."""
        kept = [name for name in self.features.split(",") if name[1:] not in _AMX]
        return replace(self, features=",".join(kept), amx=False)

    def lanes(self, itemsize: int) -> int:
        """Elements of this size in a vector register."""
        return max(1, self.vector_bytes // itemsize)


@functools.cache
def target(isa: str = "") -> Target:
    """The target of this machine, or a lesser instruction set of it: "avx512" (all of it but AMX),
    "avx2".

    Raises ValueError for an instruction set that this machine does not have.
    """
    import llvmlite.binding as llvm

    triple = llvm.get_process_triple()
    machine = platform.machine()
    if machine in ("aarch64", "arm64"):
        return Target("neon", triple, llvm.get_host_cpu_name(), "", 16, 32, False, False, False)
    if machine not in ("x86_64", "AMD64"):
        return Target("generic", triple, "", "", 16, 16, False, False, False)
    have = {name for name, there in llvm.get_host_cpu_features().items() if there}
    best = "avx512" if have.issuperset(_AVX512) else "avx2" if have.issuperset(_AVX2) else "generic"
    wanted = isa or best
    offered = {"avx512": ("avx512", "avx2"), "avx2": ("avx2",)}.get(best, ())
    if wanted not in (*offered, "generic"):
        raise ValueError(f"instruction set {wanted!r}: this machine has {', '.join(offered)}")
    names: tuple[str, ...] = ()
    if wanted == "avx2":
        names = _AVX2
    elif wanted == "avx512":
        names = (*_AVX512, *(name for name in _EXTRAS if name in have))
        if not isa and have.issuperset(_AMX) and ask_for_tiles():
            names = (*names, *_AMX)
    return Target(
        isa=wanted,
        triple=triple,
        cpu="x86-64",
        features=",".join(f"+{name}" for name in names),
        vector_bytes={"avx512": 64, "avx2": 32}.get(wanted, 16),
        registers=32 if wanted == "avx512" else 16,
        bf16="avx512bf16" in names,
        vnni="avx512vnni" in names,
        amx="amx-bf16" in names,
        l1_bytes=_cache_bytes(0, 32 << 10),
        l2_bytes=_cache_bytes(2, 1 << 20),
    )


def ask_for_tiles() -> bool:
    """Ask the system for the registers of AMX, which it gives to processes that ask. True: given.

    The kernel's Documentation/arch/x86/xstate.rst: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA). It
    holds for all threads, and for children until they run another program.
    """
    if sys.platform != "linux":
        return False
    arch_prctl, request, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0


def _cache_bytes(index: int, default: int) -> int:
    """The size of a data cache of the first processor, as Linux tells it."""
    path = f"/sys/devices/system/cpu/cpu0/cache/index{index}/size"
    if not os.path.exists(path):
        return default
    with open(path, encoding="ascii") as file:
        text = file.read().strip()
    return int(text[:-1]) << 10 if text.endswith("K") else default
