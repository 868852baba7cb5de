"""The native driver: runs the phases of a program, alone or with a pool of threads.

A program is data (see `runtime/program.py`), all of it in 8-byte words:

- a *chunk* is a range of units of one launch: function, arguments, begin, end, and the address of
  the word that takes the launch's fault code;
- a *phase* is a run of chunks that may go in any order: address of the first, their number, and
  whether they are worth more than one thread; or a loop or a choice, whose bodies are programs
  (`control_ir.py`);
- a *frame* is all that one running program needs: its phases, scratch memory, arrays.

Six functions (addresses as i64 or ptr; Python calls the first two and `plait_reraise` with the GIL,
the others without):

    i64 plait_bind(ptr list, ptr frame)       the arrays of a Python list become the kernels'
                                              arguments; gives how many do not fit (see there)
    i64 plait_run(i64 self, i64 list)         both this and the next, as a builtin of Python (see
                                              there)
    i64 plait_drive(ptr frame, i64 begin, i64 end)   run these phases; 1 where a launch had a fault,
                                              or a loop was left for an exception
    i64 plait_reraise()                       1 and that exception set, if there is one; else 0
    i64 plait_worker(ptr worker)              what a thread of the pool runs
    void plait_stop(ptr pool)                 ends the pool's threads; later drives run alone

**Dealing.** Each thread has a share of the phase's chunks, takes from its own first and then from
the others'. A share is one word, `epoch:32 | limit:16 | next:16`, changed by compare-and-swap, so a
thread that comes late finds another epoch in it and touches nothing. The caller waits until all
chunks are done, never for a thread: threads that are asleep or not scheduled hold nobody up.

**Publishing** a phase is a sequence lock: the epoch is odd while the job's words change (Boehm,
"Can seqlocks get along with programming language memory models?", MSPC 2012).

**Waiting** is a bounded spin and then a futex (Drepper, "Futexes are tricky", 2011): the sleeper
announces itself and then lets the kernel compare the word again; the waker changes the word and
then looks for sleepers.
"""

from __future__ import annotations

import enum
import sys

from plait.core.codegen import control_ir
from plait.core.codegen import driver_ir as ir
from plait.core.llvm.target import Target


class Chunk(enum.IntEnum):
    """Words of a chunk."""

    FUNCTION = 0
    ARGS = 1
    BEGIN = 2
    END = 3
    FAULT = 4
    SIZE = 5


class Phase(enum.IntEnum):
    """Words of a phase. PARALLEL: 0, 1, or IS_CONTROL where CHUNKS is a loop or a choice."""

    CHUNKS = 0
    COUNT = 1
    PARALLEL = 2
    SIZE = 3


class Frame(enum.IntEnum):
    """Words of a frame. PATCHES holds `Patch`es."""

    POOL = 0  # 0: no pool
    PHASES = 1
    FAULTED = 2
    SCRATCH = 3
    STRIDE = 4  # bytes of scratch memory per thread
    ARRAYS = 5  # how many arrays there are
    PATCHES = 6
    PATCH_COUNT = 7
    WORDS = 8
    NDARRAY = 9  # the address of NumPy's array type
    API = 10  # the address of the table of CPython's functions
    SIZE = 11


class Patch(enum.IntEnum):
    """Words of a patch: word number WORD of a frame's WORDS is the address START bytes into the
    memory of array number ARRAY."""

    ARRAY = 0
    WORD = 1
    START = 2
    SIZE = 3


class Api(enum.IntEnum):
    """CPython's functions, in the order of the table."""

    PyEval_SaveThread = 0
    PyEval_RestoreThread = 1
    PyLong_FromSsize_t = 2
    PyGILState_Ensure = 3
    PyGILState_Release = 4
    PyErr_CheckSignals = 5
    PyErr_Fetch = 6
    PyErr_Restore = 7


class Pool(enum.IntEnum):
    """Words of a pool; what different threads write stands 128 bytes apart."""

    BUSY = 0
    EPOCH = 16
    SLEEPERS = 32
    DONE = 48
    WAITING = 49
    CHUNKS = 64
    TOTAL = 65
    SCRATCH = 66
    STRIDE = 67
    FRAME = 68
    THREADS = 80
    SPIN = 81
    STOP = 82
    SHARES = 96  # one every 16 words


#: What a share can count.
MOST_CHUNKS = (1 << 16) - 1
#: Words between the shares of two threads.
SHARE_WORDS = 16
FUNCTIONS = (
    "plait_bind",
    "plait_run",
    "plait_drive",
    "plait_reraise",
    "plait_worker",
    "plait_stop",
)

#: Linux's number of the futex call, by machine.
_FUTEX = {"x86_64": 202, "aarch64": 98}
#: What a waiting loop does, by machine.
_PAUSE = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "aarch64": "call void @llvm.aarch64.hint(i32 1)",
}


def can_sleep(target: Target) -> bool:
    """Whether the driver knows how threads sleep here; without, there is no pool."""
    return sys.platform == "linux" and target.triple.split("-")[0] in _FUTEX


def driver(
    target: Target,
    type_offset: int,
    data_offset: int,
    flags_offset: int,
    items_offset: int,
    bytes_offset: int,
) -> str:
    """The module's text.

    type_offset, data_offset, flags_offset: where an ndarray holds its type, its address and its
    flags; items_offset: where a list holds the address of its items; bytes_offset: where the
    content of bytes begins (in bytes, as `runtime/arrays.py` finds them).
    """
    machine = target.triple.split("-")[0]
    sleep = ir.SLEEP if can_sleep(target) else ir.NO_SLEEP
    names: dict[str, int | str] = {
        "TYPE": type_offset,
        "DATA": data_offset,
        "FLAGS": flags_offset,
        "ITEMS": items_offset,
        "BYTES": bytes_offset,
        "FUTEX": _FUTEX.get(machine, 0),
        "PAUSE": _PAUSE.get(machine, ""),
        "SHARE": SHARE_WORDS,
        "IS_CONTROL": control_ir.IS_CONTROL,
    }
    records = (control_ir.Control, control_ir.Call, control_ir.Place, control_ir.Copy)
    for kind in (Chunk, Phase, Frame, Patch, Pool, Api, *records):
        names.update({f"{kind.__name__}.{word.name}": int(word) for word in kind})
    parts = (
        ir.BIND,
        ir.CHUNK,
        ir.WORK,
        ir.PARALLEL,
        control_ir.CONTROL,
        ir.DRIVE,
        ir.RUN,
        ir.WORKER,
        ir.STOP,
    )
    text = "\n".join((sleep, *parts))
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f"${name}", str(names[name]))
    return text
