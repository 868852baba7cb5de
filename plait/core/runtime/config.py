"""The `PLAIT_*` environment flags: name, meaning and default in one table."""

from __future__ import annotations

import os
from typing import NamedTuple


class Flag(NamedTuple):
    """One environment flag. `kind` turns its text into a value."""

    name: str
    default: str
    kind: type
    help: str


FLAGS = {
    flag.name: flag
    for flag in (
        Flag(
            "PLAIT_BACKEND",
            "auto",
            str,
            "which executor runs graphs: `reference` (NumPy), `compiled` (LLVM), or `auto`: the "
            "reference until a graph has done enough work there to be worth compiling",
        ),
        Flag(
            "PLAIT_ISA",
            "",
            str,
            "the instruction set that kernels may use: `avx512` (without AMX), `avx2`, `generic`; "
            "empty: all that the machine has",
        ),
        Flag(
            "PLAIT_EXTENTS",
            "auto",
            str,
            "which extents kernels take at run time: `auto` (those that have been met with several "
            "values), `static` (none beyond what every kernel does), `run` (all, from the first)",
        ),
        Flag(
            "PLAIT_VERIFY",
            "0",
            int,
            "1: check every captured graph against the rules of the IR before it runs",
        ),
        Flag(
            "PLAIT_PENDING_NODES",
            "4096",
            int,
            "how many recorded nodes may wait at most before the waiting ones are computed",
        ),
        Flag(
            "PLAIT_PENDING_MB",
            "512",
            int,
            "how many megabytes of values the waiting nodes may hold on to",
        ),
        Flag(
            "PLAIT_REPLAY",
            "1",
            int,
            "0: record every step anew, instead of matching it against what was recorded before; "
            "2: put every program together from blocks, as those that change their structure; "
            "read once per thread",
        ),
        Flag(
            "PLAIT_OBJECTS",
            "1",
            int,
            "0: make the nodes of repeated steps in Python, without the native machine for "
            "objects; read once",
        ),
        Flag(
            "PLAIT_LOG",
            "",
            str,
            "what to report on standard error, separated by commas: `recompiles` and `breaks` of "
            "compiled functions, `targets`: instructions that the CPU has and that are not used",
        ),
        Flag(
            "PLAIT_SAMPLE_DATA",
            "0",
            int,
            "1: `MNIST(download=True)` takes the sample of 5,000 real digits instead of a download",
        ),
        Flag(
            "PLAIT_CACHE_DIR",
            "",
            str,
            "folder of what Plait may keep between runs; empty: `plait` in the user's cache folder",
        ),
        Flag(
            "PLAIT_THREADS",
            "0",
            int,
            "how many threads run compiled programs; 0: as many as the process may use processors",
        ),
        Flag(
            "PLAIT_IDLE_MB",
            "512",
            int,
            "how many megabytes of dead arrays' memory are kept for the next arrays",
        ),
        Flag(
            "PLAIT_CACHE_MB",
            "512",
            int,
            "how many megabytes of compiled code are kept on disk; 0: none",
        ),
        Flag(
            "PLAIT_COMPILE",
            "here",
            str,
            "`process`: compile in another process, which survives what LLVM does not; `here`: not",
        ),
        Flag(
            "PLAIT_DEBUG",
            "0",
            int,
            "1: at exit, print how long each kernel of the compiled programs took",
        ),
        Flag(
            "PLAIT_TRACE",
            "",
            str,
            "file that gets a trace of the compiled programs' kernels, for chrome://tracing",
        ),
        Flag(
            "PLAIT_GUARD",
            "",
            str,
            "`end` or `start`: run each kernel by itself, on copies of its buffers that end "
            "(begin) at a page without access: what goes past them ends the process",
        ),
        Flag(
            "PLAIT_ALIASES",
            "",
            str,
            "which names mean Plait in the worker processes that this one starts; set by "
            "`plait run` and `install_as` themselves",
        ),
    )
}


def flag(name: str) -> int | str:
    """The value of a flag from the environment, or its default.

    Raises ValueError naming the flag when the text does not fit.
    """
    entry = FLAGS[name]
    text = os.environ.get(name, entry.default)
    try:
        return entry.kind(text)
    except ValueError:
        raise ValueError(f"{name}={text!r}: expected {entry.kind.__name__}") from None


def table() -> str:
    """The flags as a Markdown table, for docs/flags.md."""
    lines = ["| flag | default | meaning |", "| --- | --- | --- |"]
    for entry in FLAGS.values():
        default = f"`{entry.default}`" if entry.default else "(empty)"
        lines.append(f"| `{entry.name}` | {default} | {entry.help} |")
    return "\n".join(lines) + "\n"
