"""Download one file from a list of mirrors, check its MD5 sum, put it in place whole or not at
all."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from plait.core.ir.errors import error

CHUNK = 1 << 18
TIMEOUT_SECONDS = 15.0


def download(mirrors: Sequence[str], name: str, folder: Path, md5: str | None) -> Path:
    """Fetch `name` from the first of `mirrors` (URL prefixes) that has it, into `folder`.

    Shows progress on standard error when that is a terminal. A mirror that cannot be reached or
    gives a file with another MD5 sum is passed over. Raises RuntimeError naming each mirror's
    failure when none is left; then no file is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    destination = folder / name
    failures = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + name
        try:
            _fetch(url, destination, md5)
        except (urllib.error.URLError, OSError, ValueError) as fault:
            failures.append(f"  {url}: {fault}")
        else:
            return destination
    raise error(RuntimeError, f"{name} could not be downloaded:\n" + "\n".join(failures))


def _fetch(url: str, destination: Path, md5: str | None) -> None:
    """Write the file at `url` to `destination` through a temporary file beside it."""
    handle, temporary = tempfile.mkstemp(dir=destination.parent, prefix=destination.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            found = _copy(url, file)
        if md5 is not None and found != md5:
            raise error(ValueError, f"expected MD5 sum {md5}, found {found}")
        os.chmod(temporary, 0o644)  # mkstemp makes files private; data sets are shared
        os.replace(temporary, destination)
    except BaseException:
        os.unlink(temporary)
        raise


def _copy(url: str, file) -> str:
    """Copy the contents of `url` to the open file and return their MD5 sum."""
    digest = hashlib.md5(usedforsecurity=False)
    request = urllib.request.Request(url, headers={"User-Agent": "plait"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        total = int(response.headers.get("Content-Length") or 0)
        received = 0
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            _show_progress(url, received, total)
    if total and received != total:
        raise error(ValueError, f"expected {total} bytes, received {received}")
    return digest.hexdigest()


def _show_progress(url: str, received: int, total: int) -> None:
    if not sys.stderr.isatty():
        return
    share = f"{100 * received // total:3d}%" if total else f"{received >> 10} kB"
    end = "\n" if received == total else ""
    print(f"\r{url.rsplit('/', 1)[-1]}: {share}", end=end, file=sys.stderr, flush=True)
