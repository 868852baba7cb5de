"""TorchScript archives: the tree of objects in one, with the names of parameters and buffers.

`read` takes a path or a binary file and gives the root object. Nothing in the file is executed: the
pickle goes through the restricted machine, and of the code only two lists of names are read.
"""

from __future__ import annotations

import ast
import io
import os
import pickle
import re
from typing import Any

from plait.core.ir.errors import error
from plait.io import tensor_bridge
from plait.io.globals_table import restricted_table
from plait.io.serialization import ArchiveStorages
from plait.io.storage import MapLocation, MapLocationError, Relocation
from plait.io.torch_zip import ArchiveReader
from plait.io.unpickler import BoundedReader, GlobalTable, RestrictedUnpickler

_ROOT = "__torch__"
_LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")


class ScriptObject:
    """An object of the archive: `values` by name, and which of them are parameters and buffers."""

    parameters: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict or not all(type(key) is str for key in state):
            raise error(TypeError, "the state of a TorchScript object must be a dict of names")
        self.values = state


def is_archive(f: Any) -> bool:
    """Whether a path or a binary file is a TorchScript archive, or not even a checkpoint."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return is_archive(file)
    start = f.tell()
    try:
        archive = ArchiveReader(f, str(getattr(f, "name", type(f).__name__)))
        return archive.has("constants.pkl") or not archive.has("data.pkl")
    except RuntimeError:
        return True  # whoever reads it says what is wrong
    finally:
        f.seek(start)


def read(f: Any, map_location: MapLocation = None) -> ScriptObject:
    """The root object; RuntimeError or pickle.UnpicklingError for a damaged or foreign file."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _read(ArchiveReader(file, os.fspath(f)), map_location)
    return _read(ArchiveReader(f, str(getattr(f, "name", type(f).__name__))), map_location)


def _read(archive: ArchiveReader, map_location: MapLocation) -> ScriptObject:
    if not archive.has("constants.pkl"):
        raise error(
            RuntimeError,
            f"{archive.label} is no TorchScript archive (it has no constants.pkl); torch.load "
            "reads checkpoints",
        )
    storages = ArchiveStorages(archive, Relocation(map_location), None)
    reader = BoundedReader(io.BytesIO(archive.read("data.pkl")))
    try:
        root = RestrictedUnpickler(reader, _table(archive), storages).load()
    except MapLocationError as fault:
        raise fault.reason from None
    except pickle.UnpicklingError as fault:
        raise error(pickle.UnpicklingError, f"{fault} (file {archive.label})") from None
    if not isinstance(root, ScriptObject):
        raise error(RuntimeError, f"{archive.label} holds no module but {type(root).__name__}")
    return root


def _table(archive: ArchiveReader) -> GlobalTable:
    """What a restricted load allows, and the archive's own classes."""
    plain = restricted_table(tensor_bridge)
    classes: dict[str, Any] = {}

    def resolve(module: str, name: str) -> Any:
        if module == "torch.jit._pickle" and name in _LISTS:
            return _as_list, _as_list
        if module == _ROOT or module.startswith(_ROOT + "."):
            full = f"{module}.{name}"
            if full not in classes:
                classes[full] = _class(archive, module, name)
            return classes[full], None
        return plain._entry(module, name)

    return GlobalTable({}, classes, resolve)


def _as_list(items: Any = ()) -> list[Any]:
    if type(items) is not list:
        raise error(TypeError, "a list of a TorchScript archive must be a list")
    return items


def _class(archive: ArchiveReader, module: str, name: str) -> type[ScriptObject]:
    """A class with the names that the archive's code lists under it."""
    path = f"code/{module.replace('.', '/')}.py"
    source = archive.read(path).decode("utf-8") if archive.has(path) else ""
    body = re.search(rf"^class {re.escape(name)}\b.*?(?=^\S|\Z)", source, re.MULTILINE | re.DOTALL)
    text = body.group() if body else ""
    lists = {key: _names(text, f"__{key}__") for key in ("parameters", "buffers")}
    return type(name, (ScriptObject,), lists)


def _names(body: str, what: str) -> tuple[str, ...]:
    found = re.search(rf"^  {what} = (\[.*?\])", body, re.MULTILINE)
    try:
        names: Any = ast.literal_eval(found.group(1)) if found else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if type(names) is not list or not all(type(name) is str for name in names):
        raise error(RuntimeError, f"{what} of a TorchScript class is not a list of names")
    return tuple(names)
