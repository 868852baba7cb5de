"""What LLVM must not be given again: a journal of compilations that ended the process.

LLVM can abort, and no `except` catches that. So the symbols about to be compiled are written to a
journal file, locked while its process lives and removed when all went well. A journal that nobody
holds is that of a dead process: its kernels are *suspects*, and each is compiled alone in another
process. If that one dies too, the kernel is *refused* from then on. All of these are files in the
folder of object code, so a new version of Plait or LLVM starts afresh.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence

from plait.core.runtime.object_cache import Folder

_looked_at: set[int] = set()


@contextlib.contextmanager
def compiling(folder: Folder | None, names: Sequence[str]) -> Iterator[None]:
    """Keep the names of the entries that are being compiled on record inside the block."""
    if folder is None:
        yield
        return
    import fcntl

    file = f"journal-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
    try:
        descriptor = folder.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except OSError:  # a full disk: no record, but code all the same
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            os.write(descriptor, "\n".join(names).encode())
        yield
    finally:
        folder.remove(file)
        os.close(descriptor)


def look(folder: Folder) -> None:
    """Make suspects of what dead processes left in their journals; once a process."""
    if folder.descriptor in _looked_at:
        return
    _looked_at.add(folder.descriptor)
    import fcntl

    for file in folder.names():
        if not file.startswith("journal-"):
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or locked: its process lives
            descriptor = folder.open(file, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for name in os.read(descriptor, 1 << 20).decode().split():
                    with contextlib.suppress(FileExistsError):
                        folder.write_bytes(f"suspect-{name}", b"")
                folder.remove(file)
            finally:
                os.close(descriptor)


def is_suspect(folder: Folder, name: str) -> bool:
    """Whether a process died when it compiled this entry, maybe because of another one."""
    return folder.exists(f"suspect-{name}")


def is_refused(folder: Folder, name: str) -> bool:
    """Whether compiling this entry alone ended a process."""
    return folder.exists(f"refused-{name}")


def acquit(folder: Folder, name: str) -> None:
    """This entry compiles after all."""
    folder.remove(f"suspect-{name}")


def refuse(folder: Folder, name: str) -> None:
    """Never compile this entry again."""
    with contextlib.suppress(OSError):
        folder.write_bytes(f"refused-{name}", b"")
    folder.remove(f"suspect-{name}")
