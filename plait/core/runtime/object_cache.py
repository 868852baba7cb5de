"""Object code on disk: what one process compiled, the next one links.

The folder is `objects` in Plait's cache folder. Code found there will run, so it must belong to
this user and be closed to all others (0700), and not be a symbolic link; else it is not used. It is
held open and reached through its descriptor: exchanging the path later changes nothing.

An entry is one file: magic, SHA-256 of the rest, a line of JSON with the symbols, object code. It
is written under another name and moved into place. Kernels compiled together share an object, and
their entries are links to one file. What does not check is as if it were not there, and written
anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import stat
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from plait.core.llvm import build
from plait.core.llvm.target import Target
from plait.core.runtime.config import flag
from plait.version import __version__

_MAGIC = b"plaitobj1\n"
#: After how many writes of a process the folder is measured again.
_MEASURE_EVERY = 64
#: Seconds after which a half-written file is nobody's any more.
_ABANDONED = 3600.0
#: Seconds after which a used entry is marked as used again.
_STALE_MARK = 86400.0


class Entry(NamedTuple):
    """Object code and the symbols it defines."""

    symbols: tuple[str, ...]
    code: bytes


class Folder:
    """An opened, trusted folder of entries."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._writes = itertools.count()

    # -- entries --------------------------------------------------------------------------------

    def read(self, name: str) -> Entry | None:
        """The entry of this name; None where there is none that checks."""
        data = self.read_bytes(name)
        if data is None or not data.startswith(_MAGIC):
            return None
        digest, rest = data[len(_MAGIC) :][:32], data[len(_MAGIC) + 32 :]
        if hashlib.sha256(rest).digest() != digest:
            return None
        head, _, code = rest.partition(b"\n")
        self._mark_used(name)
        return Entry(tuple(json.loads(head)), code)

    def write(self, names: Sequence[str], entry: Entry) -> None:
        """Keep an entry under these names. A full or read-only disk is no error."""
        rest = json.dumps(entry.symbols).encode() + b"\n" + entry.code
        data = _MAGIC + hashlib.sha256(rest).digest() + rest
        with contextlib.suppress(OSError):
            self._place(names, data)
            if next(self._writes) % _MEASURE_EVERY == 0:
                self.trim(int(flag("PLAIT_CACHE_MB")) << 20)

    def _place(self, names: Sequence[str], data: bytes) -> None:
        """One file under all names, each of which appears with its whole content or not at all."""
        unique = f"new-{os.getpid()}-{time.monotonic_ns()}"
        first = f"{unique}-0"
        self.write_bytes(first, data)
        for number, name in enumerate(names[1:], 1):
            other = f"{unique}-{number}"
            try:
                os.link(first, other, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            except OSError:  # a file system without links
                self.write_bytes(other, data)
            self.rename(other, name)
        self.rename(first, names[0])

    def _mark_used(self, name: str) -> None:
        """The least recently used entries go first; once a day is often enough to tell."""
        with contextlib.suppress(OSError):
            now = time.time()
            if now - os.stat(name, dir_fd=self.descriptor).st_mtime > _STALE_MARK:
                os.utime(name, (now, now), dir_fd=self.descriptor)

    def trim(self, limit: int) -> None:
        """Remove the longest unused entries until 4/5 of `limit` bytes are left, if above it."""
        files: dict[int, tuple[float, int, list[str]]] = {}  # by inode: links share one
        for name in self.names():
            with contextlib.suppress(OSError):
                info = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
                if name.startswith("new-") and time.time() - info.st_mtime > _ABANDONED:
                    self.remove(name)
                elif name.startswith("code-"):
                    group = files.setdefault(info.st_ino, (info.st_mtime, info.st_size, []))
                    group[2].append(name)
        total = sum(size for _, size, _ in files.values())
        if total <= limit:
            return
        for _, size, names in sorted(files.values()):
            for name in names:
                self.remove(name)
            total -= size
            if total <= limit * 4 // 5:
                return

    # -- plain files, by name in this folder ------------------------------------------------------

    def names(self) -> list[str]:
        """The names in the folder."""
        return os.listdir(self.descriptor)

    def exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def open(self, name: str, flags: int) -> int:
        """A descriptor of a file that is not a symbolic link. Raises OSError."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self.descriptor)

    def read_bytes(self, name: str) -> bytes | None:
        try:
            with os.fdopen(self.open(name, os.O_RDONLY), "rb") as file:
                return file.read()
        except OSError:
            return None

    def write_bytes(self, name: str, data: bytes) -> None:
        """Make a new file. Raises OSError, FileExistsError among them."""
        with os.fdopen(self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(data)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        # Where both names were links to one file, rename does nothing.
        self.remove(old)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)


def folder() -> Folder | None:
    """The folder of object code; None where there is none to be trusted, or none is wanted."""
    if int(flag("PLAIT_CACHE_MB")) <= 0:
        return None
    return _opened(cache_path())


@functools.cache
def _opened(path: Path) -> Folder | None:
    if os.open not in os.supports_dir_fd:
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as fault:
        _warn(path, str(fault))
        return None
    info = os.fstat(descriptor)
    if info.st_uid != os.geteuid():
        problem = "it belongs to another user"
    elif stat.S_IMODE(info.st_mode) & 0o077:
        problem = "others may enter it; `chmod 700` closes it"
    else:
        return Folder(descriptor)
    os.close(descriptor)
    _warn(path, problem)
    return None


def _warn(path: Path, problem: str) -> None:
    warnings.warn(f"compiled code is not kept: {path} is not used, because {problem}", stacklevel=2)


def cache_path() -> Path:
    """Where object code is kept: `objects` in PLAIT_CACHE_DIR or the user's cache folder."""
    given = str(flag("PLAIT_CACHE_DIR"))
    if given:
        return Path(given) / "objects"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "plait" / "objects"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "plait" / "objects"


@functools.cache
def fingerprint(target: Target) -> str:
    """A hash of all that object code depends on besides the kernel's own key."""
    parts = [__version__, build.version(), sys.byteorder, repr(target)]
    digest = hashlib.sha256("\n".join(parts).encode())
    for data in _sources():
        digest.update(data)
    return digest.hexdigest()[:16]


def _sources() -> Iterator[bytes]:
    """The sources that write code, where they may change under one version: not in an installed
    package."""
    core = Path(__file__).resolve().parent.parent
    if any(part.endswith("-packages") for part in core.parts):
        return
    for layer in ("llvm", "codegen", "compiler"):
        for path in sorted((core / layer).rglob("*.py")):
            yield path.read_bytes()


def entry_name(symbol: str, target: Target) -> str:
    """The name under which a kernel's object code is kept."""
    return f"code-{symbol}-{fingerprint(target)}"
