"""Checkpoints from before PyTorch 1.6: a row of pickles followed by the storages.

The stream holds a magic number, a protocol version, facts about the writer's machine, the object's
pickle, the sorted list of storage keys, and for each key an element count and the elements. The
storages come last, so the object's pickle is scanned first (building nothing) for their types, the
storages are read, and the pickle is then read for good.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from plait.core.ir.errors import error
from plait.io.bounded_repr import short
from plait.io.dtypes import STORAGE_CLASS_DTYPES, item_size, numpy_dtype, storage_class
from plait.io.pickler import StorageTable
from plait.io.rebuild import StorageType, TypedStorage
from plait.io.scan import Named, storages_of
from plait.io.storage import Relocation, Storage
from plait.io.unpickler import BoundedReader, GlobalTable, RestrictedUnpickler

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

#: What ends a storage's id: it is no view of a part of another one.
ID_END = (None,)

Unpickle = Callable[[BinaryIO, Callable[[Any], Any]], Any]


def load(file: BinaryIO, label: str, unpickle: Unpickle, relocate: Relocation) -> Any:
    """The object in `file`, made by `unpickle(file, persistent_load)`.

    Raises RuntimeError or pickle.UnpicklingError for a file that is not such a checkpoint.
    """
    _check_head(file, label)
    body = file.tell()
    try:
        ids = storages_of(file)
        keys = _plain(file)
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise pickle.UnpicklingError("the list of storage keys is malformed")
    except pickle.UnpicklingError as fault:
        raise pickle.UnpicklingError(f"{label} is not a whole checkpoint: {fault}") from fault
    storages = _read_storages(file, label, _types_of(ids), keys)
    file.seek(body)
    return unpickle(file, _Storages(storages, relocate))


def write(file: BinaryIO, data: bytes, storages: StorageTable, protocol: int) -> None:
    """Write a checkpoint of an object's pickle, made with `ID_END`, and its storages."""
    system = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    keys = sorted(storages.arrays)
    for head in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        file.write(pickle.dumps(head, protocol))
    file.write(data)
    file.write(pickle.dumps(keys, protocol))
    for key in keys:
        flat = np.ascontiguousarray(storages.arrays[key]).reshape(-1)
        typed = storage_class(storages.dtype_of(key)) is not None
        file.write(struct.pack("<q", flat.size if typed else flat.nbytes))
        file.write(flat.view(np.uint8).data)


def _plain(file: BinaryIO) -> Any:
    """A pickle of plain values."""
    nothing = GlobalTable({}, {}, lambda module, name: None)
    return RestrictedUnpickler(BoundedReader(file), nothing, _refuse).load()


def _refuse(saved_id: Any) -> Any:
    raise pickle.UnpicklingError("a storage where a plain value is due")


def _check_head(file: BinaryIO, label: str) -> None:
    try:
        magic = _plain(file)
        if magic == MAGIC_NUMBER:
            version, system = _plain(file), _plain(file)
    except pickle.UnpicklingError as fault:
        raise pickle.UnpicklingError(
            f"{label} is not a checkpoint: it is neither a zip archive nor a PyTorch file from "
            f"before 1.6 ({fault})"
        ) from fault
    if magic != MAGIC_NUMBER:
        raise error(RuntimeError, f"Invalid magic number; corrupt file? ({label})")
    if version != PROTOCOL_VERSION:
        raise error(RuntimeError, f"Invalid protocol version: {short(version)} ({label})")
    if type(system) is not dict or system.get("little_endian", True) is not True:
        raise error(
            RuntimeError, f"{label} was written on a big-endian machine, which is not supported"
        )


def _types_of(ids: list[tuple[Any, ...]]) -> dict[str, StorageType]:
    types: dict[str, StorageType] = {}
    for saved_id in ids:
        if len(saved_id) != 6 or type(saved_id[2]) is not str or type(saved_id[1]) is not Named:
            raise pickle.UnpicklingError(f"malformed storage id: {short(saved_id)}")
        name = saved_id[1].name
        if name not in STORAGE_CLASS_DTYPES:
            raise pickle.UnpicklingError(f"unknown storage class {short(name)}")
        storage_type = StorageType(name, STORAGE_CLASS_DTYPES[name])
        if types.setdefault(saved_id[2], storage_type).name != name:
            raise pickle.UnpicklingError(f"storage {saved_id[2]!r} is used as two different types")
    return types


def _read_storages(
    file: BinaryIO, label: str, types: dict[str, StorageType], keys: list[str]
) -> dict[str, TypedStorage]:
    here = file.tell()
    left = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    storages: dict[str, TypedStorage] = {}
    for key in keys:
        if key not in types or key in storages:
            raise pickle.UnpicklingError(f"storage {short(key)} belongs to no tensor of {label}")
        head = file.read(8)
        count = struct.unpack("<q", head)[0] if len(head) == 8 else -1
        nbytes = count * size_of(types[key])
        left -= 8 + nbytes
        if count < 0 or left < 0:
            raise error(RuntimeError, f"{label} is truncated: storage {short(key)} is not whole")
        raw = np.frombuffer(file.read(nbytes), dtype=np.uint8).copy()
        if raw.size != nbytes:
            raise error(RuntimeError, f"{label} is truncated: storage {short(key)} is not whole")
        raw = to_native(raw, types[key], swap=False)
        storages[key] = TypedStorage(Storage(raw), types[key].dtype_name)
    return storages


class _Storages:
    """Turns persistent ids into the storages read before."""

    def __init__(self, storages: dict[str, TypedStorage], relocate: Relocation) -> None:
        self._storages = storages
        self._relocate = relocate
        self._placed: dict[str, TypedStorage] = {}

    def __call__(self, saved_id: Any) -> Any:
        if type(saved_id) is tuple and saved_id[:1] == ("module",) and len(saved_id) > 1:
            return saved_id[1]  # a module's class with its source, which is not checked
        if type(saved_id) is not tuple or len(saved_id) != 6:
            raise pickle.UnpicklingError(f"malformed storage id: {short(saved_id)}")
        _, _, key, location, count, view = saved_id
        if type(key) is not str:
            raise pickle.UnpicklingError(f"malformed storage id: {short(saved_id)}")
        typed = self._placed.get(key) or self._place(key, location)
        itemsize = item_size(typed.dtype_name or "uint8")
        if count != typed.storage.nbytes() // itemsize:
            raise pickle.UnpicklingError(f"storage {short(key)} is not of its tensors' size")
        return typed if view is None else self._view(typed, itemsize, view)

    def _place(self, key: Any, location: Any) -> TypedStorage:
        if key not in self._storages or type(location) is not str:
            raise pickle.UnpicklingError(f"storage {short(key)} is not in the file")
        typed = self._storages[key]
        typed.storage.location = location
        moved = TypedStorage(self._relocate(typed.storage), typed.dtype_name)
        self._placed[key] = moved
        return moved

    def _view(self, typed: TypedStorage, itemsize: int, view: Any) -> TypedStorage:
        """A part of a storage that old files treat as a storage of its own."""
        if type(view) is not tuple or len(view) != 3 or type(view[0]) is not str:
            raise pickle.UnpicklingError(f"malformed view of a storage: {short(view)}")
        key, offset, count = view
        if type(offset) is not int or type(count) is not int or offset < 0 or count < 0:
            raise pickle.UnpicklingError(f"malformed view of a storage: {short(view)}")
        begin, end = offset * itemsize, (offset + count) * itemsize
        if end > typed.storage.nbytes():
            raise pickle.UnpicklingError(f"a view reaches past its storage: {short(view)}")
        if key not in self._placed:
            self._placed[key] = TypedStorage(
                Storage(typed.storage.raw[begin:end], "cpu"), typed.dtype_name
            )
        return self._placed[key]


def size_of(storage_type: StorageType) -> int:
    """Bytes of one element of a storage class."""
    return item_size(storage_type.dtype_name or "uint8")


def to_native(raw: np.ndarray, storage_type: StorageType, swap: bool) -> np.ndarray:
    """`raw` in this machine's byte order and with valid booleans."""
    name = storage_type.dtype_name
    if swap and name is None:
        raise error(
            RuntimeError,
            "untyped storages of the other byte order cannot be loaded; save the file again on "
            "its own machine with a dtype that has a storage class",
        )
    if swap and name is not None:
        unit = np.dtype(np.uint16) if name == "bfloat16" else numpy_dtype(name)
        raw = raw.view(unit).byteswap().view(np.uint8)
    # Any byte but 0 and 1 in a boolean array makes later results undefined.
    if name == "bool" and raw.size and raw.max() > 1:
        raw = (raw != 0).view(np.uint8)
    return raw
