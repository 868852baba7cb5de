"""What a process needs no more once its programs are made and run: it goes back to the system.

While a training loop begins, memory is taken that its later steps never touch: by the reference
executor, by programs that wrote new arrays before there was one that writes in place, by LLVM. A
few runs after the last program was made, that is given back. What is wrongly given back costs page
faults once per program made, much less than making it.
"""

from __future__ import annotations

from plait.core.llvm import pages
from plait.core.runtime import arrays

#: Runs of programs since the last one was made, after which no other is expected; and how many of
#: them are looked at for what memory they use again.
RUNS = 4
_LOOKED_AT = 2

#: How many are still to come; 0: all has been given back. Whoever runs a program looks at it first.
runs = 0
#: Whether LLVM may have worked since its pages were given back: to look for them takes a
#: millisecond, as long as to plan a program of known kernels for another batch.
_llvm_worked = False


def begin(*, llvm: bool = False) -> None:
    """A program has been made, or LLVM has worked."""
    global runs, _llvm_worked
    runs = RUNS
    _llvm_worked = _llvm_worked or llvm


def count() -> None:
    """A program has run, natively or on the reference."""
    global runs, _llvm_worked
    left = runs - 1
    runs = max(left, 0)
    if left == _LOOKED_AT:
        arrays.watch_idle()
    elif left == 0:  # of several threads, one
        arrays.forget_idle()
        arrays.trim()
        if _llvm_worked:
            _llvm_worked = False
            pages.release()
