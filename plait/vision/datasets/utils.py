"""Files of data sets: checksums, downloads, archives. Names are torchvision's."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plait.core.ir.errors import error
from plait.vision.datasets.download import download

_CHUNK = 1 << 20
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def calculate_md5(fpath: str | Path, chunk_size: int = _CHUNK) -> str:
    """The MD5 sum of a file, in hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: str | Path, md5: str, **kwargs: Any) -> bool:
    """Whether the file has this MD5 sum."""
    return calculate_md5(fpath, **kwargs) == md5


def check_integrity(fpath: str | Path, md5: str | None = None) -> bool:
    """Whether the file is there, and has this MD5 sum if one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(
    url: str,
    root: str | Path,
    filename: str | Path | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Get a file into the folder `root`, unless it is there; RuntimeError where that fails."""
    name = os.fspath(filename) if filename else os.path.basename(url)
    folder = Path(root).expanduser()
    if check_integrity(folder / name, md5):
        return
    mirror, _, remote = url.rpartition("/")
    got = download([mirror], remote, folder, md5)
    if remote != name:
        os.replace(got, folder / name)


def extract_archive(
    from_path: str | Path, to_path: str | Path | None = None, remove_finished: bool = False
) -> str | Path:
    """Unpack a tar or zip archive into `to_path`, or one compressed file beside itself.

    Members that would land outside are refused. Raises RuntimeError for other kinds of files.
    """
    source = Path(from_path)
    target = source.parent if to_path is None else Path(to_path)
    if tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            archive.extractall(target, filter="data")
        result = target
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target)
        result = target
    elif source.suffix in _OPENERS:
        result = source.with_suffix("") if to_path is None else target
        with _OPENERS[source.suffix](source, "rb") as packed, open(result, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    else:
        raise error(RuntimeError, f"{source}: not a tar, zip, gz, bz2 or xz file")
    if remove_finished:
        source.unlink()
    return result


def download_and_extract_archive(
    url: str,
    download_root: str | Path,
    extract_root: str | Path | None = None,
    filename: str | Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """`download_url`, then `extract_archive` into `extract_root` (default: the same folder)."""
    folder = Path(download_root).expanduser()
    name = os.fspath(filename) if filename else os.path.basename(url)
    download_url(url, folder, name, md5)
    extract_archive(folder / name, extract_root or folder, remove_finished)


def verify_str_arg(
    value: Any,
    arg: str | None = None,
    valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> str:
    """The value, if it is one of the valid strings; ValueError otherwise."""
    if not isinstance(value, str):
        kind = type(value)
        where = "" if arg is None else f" for argument {arg}"
        raise error(ValueError, f"Expected type str{where}, but got type {kind}.")
    valid = None if valid_values is None else tuple(valid_values)
    if valid is not None and value not in valid:
        where = "" if arg is None else f" for argument {arg}"
        listed = ", ".join(repr(item) for item in valid)
        raise error(
            ValueError,
            custom_msg or f"Unknown value '{value}'{where}. Valid values are {{{listed}}}.",
        )
    return value


def list_dir(root: str | Path, prefix: bool = False) -> list[str]:
    """The folders in a folder, with its path before them if `prefix`."""
    return _entries(root, prefix, os.path.isdir)


def list_files(root: str | Path, suffix: str, prefix: bool = False) -> list[str]:
    """The files in a folder whose names end so, with its path before them if `prefix`."""
    files = _entries(root, prefix, os.path.isfile)
    return [name for name in files if name.endswith(suffix)]


def _entries(root: str | Path, prefix: bool, wanted: Any) -> list[str]:
    folder = os.path.expanduser(root)
    names = [name for name in os.listdir(folder) if wanted(os.path.join(folder, name))]
    return [os.path.join(folder, name) for name in names] if prefix else names
