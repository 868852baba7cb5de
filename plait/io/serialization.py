"""`save` and `load`: PyTorch's checkpoint files, to and from paths or binary file objects."""

from __future__ import annotations

import io
import os
import pickle
import re
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

import numpy as np

from plait.core.ir.errors import error
from plait.io import legacy, tensor_bridge
from plait.io.bounded_repr import short
from plait.io.globals_table import make_trusting_unpickler, restricted_table
from plait.io.pickler import dump
from plait.io.rebuild import StorageType, TypedStorage
from plait.io.scan import globals_of
from plait.io.storage import MapLocation, MapLocationError, Relocation, Storage
from plait.io.torch_zip import ALIGNMENT, LOCAL_MAGIC, ArchiveReader, ArchiveWriter
from plait.io.unpickler import BoundedReader, RestrictedUnpickler

FileLike = str | os.PathLike[str] | BinaryIO

_UNSAFE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
    "likely succeed, but it can result in arbitrary code execution. Do it only if you got the file "
    "from a trusted source."
)


def save(
    obj: Any,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to `f` (a path or a binary file object) in PyTorch's zip format, or with
    `_use_new_zipfile_serialization=False` in that from before 1.6.

    Any picklable object is accepted; tensors are stored as raw bytes, each storage once, so that
    tensors sharing memory share it again after loading. PyTorch can read the file. A path is
    replaced only when the new file is complete. Raises RuntimeError for a missing folder and what
    pickle raises for objects that cannot be pickled; nothing is written then.
    """
    if not isinstance(pickle_protocol, int) or not 2 <= pickle_protocol <= pickle.HIGHEST_PROTOCOL:
        raise error(
            ValueError,
            f"save: pickle_protocol must be 2 to {pickle.HIGHEST_PROTOCOL}, got "
            f"{pickle_protocol!r}",
        )
    archived = _use_new_zipfile_serialization
    id_end = () if archived else legacy.ID_END
    data, storages = dump(obj, tensor_bridge, pickle_module or pickle, pickle_protocol, id_end)

    def write(file: BinaryIO, root: str) -> None:
        if archived:
            _write_archive(file, root, data, storages.arrays)
        else:
            legacy.write(file, data, storages, pickle_protocol)

    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with replacing(path) as file:
            write(file, _root_name(path))
    elif hasattr(f, "write"):
        write(f, "archive")
    else:
        raise AttributeError(f"save: expected a path or a file with write(), got {f!r:.80}")


def _root_name(path: str) -> str:
    """The archive's root folder: the file's name without its last extension, as PyTorch has it."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return stem if stem and stem.isascii() else "archive"


def _write_archive(file: BinaryIO, root: str, data: bytes, storages: dict[str, np.ndarray]) -> None:
    with ArchiveWriter(file, root) as archive:
        archive.write("data.pkl", data)
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", str(ALIGNMENT).encode("ascii"))
        archive.write("byteorder", sys.byteorder.encode("ascii"))
        for key, flat in storages.items():
            array = np.ascontiguousarray(flat).reshape(-1)
            archive.write(f"data/{key}", array.view(np.uint8).data)
        archive.write("version", b"3\n")


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and vanishes otherwise."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise error(
            RuntimeError, f"Parent directory {os.path.dirname(path) or folder} does not exist."
        )
    if os.path.isdir(target):
        raise IsADirectoryError(f"save: {path} is a directory; give the name of a file in it")
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as device:  # a pipe or /dev/null cannot be replaced
            yield device
        return
    temporary = f"{target}.{os.urandom(6).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save`, or PyTorch's, wrote to `f` (a path or a seekable binary file object).

    By default (`weights_only=True`) only tensors, parameters, plain containers and values, and what
    `add_safe_globals` allows, are built; nothing in the file is executed. `weights_only=False` is
    pickle: it runs code that the file contains, so use it only for files you trust.

    PyTorch's environment variables count: `TORCH_FORCE_WEIGHTS_ONLY_LOAD=1` makes every load a
    restricted one, `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1` those that do not say `weights_only` free.

    `map_location` says where storages go: None, a device or its name, a dict of names, or a
    callable (storage, location). `mmap=True` maps the file (a path) instead of reading it; writes
    to the tensors do not reach the file. `encoding` is for files from Python 2.

    Raises pickle.UnpicklingError if the file asks for more than is allowed or its pickle is broken,
    RuntimeError if the archive is damaged or a device is missing, EOFError if the file is empty.
    """
    weights_only = _is_restricted(weights_only, pickle_module)
    if weights_only and pickle_module is not None:
        raise error(
            RuntimeError, "Can not safely load weights when explicit pickle_module is specified"
        )
    if weights_only and set(pickle_load_args) - {"encoding"}:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    session = _Session(map_location, pickle_module or pickle, weights_only, pickle_load_args)
    try:
        return _load_from(f, mmap, session)
    except pickle.UnpicklingError as fault:
        raise error(pickle.UnpicklingError, str(fault)) from fault.__cause__


def _is_restricted(weights_only: bool | None, pickle_module: Any) -> bool:
    """Whether a load may only build what is allowed: the argument, else PyTorch's variables."""
    always = _is_set("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    never = _is_set("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if always and never:
        raise error(
            RuntimeError,
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` "
            "should be set, but both were set.",
        )
    if always:
        return True
    if weights_only is not None:
        return weights_only
    if never:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the "
            "`weights_only` argument was not explicitly passed to `torch.load`, forcing "
            "weights_only=False.",
            stacklevel=3,
        )
        return False
    # As in PyTorch: whoever names a pickle module wants that module.
    return pickle_module is None


def _is_set(name: str) -> bool:
    """Whether an environment variable says yes, in PyTorch's words for it."""
    return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")


def _load_from(f: FileLike, mmap: bool | None, session: _Session) -> Any:
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with open(path, "rb") as file:
            return _load_file(file, path, session, path if mmap else None)
    if mmap:
        raise error(ValueError, "f must be a file path in order to use the mmap argument")
    label = str(getattr(f, "name", type(f).__name__))
    return _load_file(_seekable(f), label, session, None)


def _seekable(file: Any) -> BinaryIO:
    missing = [name for name in ("read", "seek", "tell") if not hasattr(file, name)]
    if missing:
        raise AttributeError(
            f"load: expected a path or a binary file, got {type(file).__name__} without "
            f"{', '.join(missing)}. You can only torch.load from a file that is seekable. Please "
            "pre-load the data into a buffer like io.BytesIO and try to load from it instead."
        )
    return cast(BinaryIO, file)


class _Session:
    """The settings of one load."""

    def __init__(
        self,
        map_location: MapLocation,
        pickle_module: Any,
        weights_only: bool,
        pickle_args: dict[str, Any],
    ) -> None:
        self.relocate = Relocation(map_location)
        self.pickle_module = pickle_module
        self.weights_only = weights_only
        self.pickle_args = {"encoding": "utf-8", **pickle_args}

    def unpickle(self, file: BinaryIO, persistent_load: Any) -> Any:
        """The object pickled in `file`, its storages made by `persistent_load`."""
        try:
            return self._unpickle(file, persistent_load)
        except MapLocationError as fault:
            raise fault.reason from None

    def _unpickle(self, file: BinaryIO, persistent_load: Any) -> Any:
        if not self.weights_only:
            return make_trusting_unpickler(
                self.pickle_module, file, tensor_bridge, persistent_load, **self.pickle_args
            ).load()
        encoding = str(self.pickle_args["encoding"])
        table = restricted_table(tensor_bridge)
        try:
            reader = BoundedReader(file)
            return RestrictedUnpickler(reader, table, persistent_load, encoding).load()
        except pickle.UnpicklingError as fault:
            raise pickle.UnpicklingError(_explain(str(fault))) from fault.__cause__


def _explain(message: str) -> str:
    """A restricted load's error in PyTorch's words: what failed and what one may do about it."""
    if "was not an allowed global by default" in message:
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two "
            "options, \033[1mdo those steps only if you trust the source of the checkpoint"
            f"\033[0m. \n\t(1) {_UNSAFE}\n\t(2) Alternatively, to load with `weights_only=True` "
            "please check the recommended steps in the following error message.\n\t"
            f"WeightsUnpickler error: {message}"
        )
    if re.search(r"whose module \S+ is blocked", message):
        return f"Weights only load failed. {_UNSAFE}\n\n\n{message}"
    return f"Weights only load failed. {_UNSAFE}\nWeightsUnpickler error: {message}"


def _load_file(file: BinaryIO, label: str, session: _Session, map_path: str | None) -> Any:
    start = file.tell()
    magic = file.read(len(LOCAL_MAGIC))
    file.seek(start)
    if not magic:
        at_end = f" after position {start}; use seek(0) to read from the start" if start else ""
        raise EOFError(f"Ran out of input: nothing in {label}{at_end}")
    if magic == LOCAL_MAGIC:
        return _load_archive(ArchiveReader(file, label), session, map_path)
    if map_path is not None:
        raise error(
            RuntimeError,
            "mmap can only be used with files saved with `torch.save(...,  "
            f"_use_new_zipfile_serialization=True)`; {label} is not such a file",
        )
    return legacy.load(file, label, session.unpickle, session.relocate)


def _load_archive(archive: ArchiveReader, session: _Session, map_path: str | None) -> Any:
    if archive.has("constants.pkl"):
        raise error(
            RuntimeError,
            f"{archive.label} is a TorchScript archive, whose code Plait cannot run; "
            "torch.jit.load(f).state_dict() gives its weights",
        )
    storages = ArchiveStorages(archive, session.relocate, map_path)
    return session.unpickle(io.BytesIO(archive.read("data.pkl")), storages)


class ArchiveStorages:
    """Turns the persistent ids of an archive's pickle into storages, each read once."""

    def __init__(self, archive: ArchiveReader, relocate: Relocation, map_path: str | None) -> None:
        self._archive = archive
        self._relocate = relocate
        self._known: dict[str, TypedStorage] = {}
        self._swap = self._is_foreign_byteorder()
        self._map: np.ndarray | None = None
        if map_path is not None:
            # Copy on write: tensors can be changed, the file stays as it is.
            self._map = np.memmap(map_path, dtype=np.uint8, mode="c").view(np.ndarray)

    def _is_foreign_byteorder(self) -> bool:
        if not self._archive.has("byteorder"):
            return False  # files from before PyTorch 2.1 are in the order of their machine
        order = self._archive.read("byteorder")
        if order not in (b"little", b"big"):
            raise error(
                RuntimeError,
                f"Unknown endianness type: {order[:20]!r} (file {self._archive.label})",
            )
        return order != sys.byteorder.encode("ascii")

    def __call__(self, saved_id: Any) -> TypedStorage:
        storage_type, key, location, count = self._checked(saved_id)
        itemsize = legacy.size_of(storage_type)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._read(storage_type, key, location, count * itemsize)
        if known.dtype_name != storage_type.dtype_name:
            raise pickle.UnpicklingError(f"storage {key!r} is used as two different types")
        return known

    @staticmethod
    def _checked(saved_id: Any) -> tuple[StorageType, str, str, int]:
        if type(saved_id) is not tuple or len(saved_id) != 5 or saved_id[0] != "storage":
            raise pickle.UnpicklingError(f"malformed storage id: {short(saved_id)}")
        _, storage_type, key, location, count = saved_id
        if isinstance(location, bytes):
            location = location.decode("ascii")
        types = (type(storage_type), type(key), type(location), type(count))
        if types != (StorageType, str, str, int) or count < 0:
            raise pickle.UnpicklingError(f"malformed storage id: {short(saved_id)}")
        return storage_type, key, location, count

    def _read(
        self, storage_type: StorageType, key: str, location: str, nbytes: int
    ) -> TypedStorage:
        name = f"data/{key}"
        present = self._archive.size(name)
        if present != nbytes:
            raise error(
                RuntimeError,
                f"storage {key!r} should have {nbytes} bytes by its {storage_type.name}, its "
                f"record has {present} (file {self._archive.label})",
            )
        if self._map is not None:
            raw = self._archive.map_array(name, self._map)
        else:
            raw = self._archive.read_array(name)
        raw = legacy.to_native(raw, storage_type, self._swap)
        storage = self._relocate(Storage(raw, location))
        return TypedStorage(storage, storage_type.dtype_name)


def get_unsafe_globals_in_checkpoint(f: FileLike) -> list[str]:
    """Names in a zip checkpoint that a restricted load would refuse, sorted; builds nothing."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            data = ArchiveReader(file, os.fspath(f)).read("data.pkl")
    else:
        data = ArchiveReader(_seekable(f), "the given file").read("data.pkl")
    table = restricted_table(tensor_bridge)
    return sorted(
        f"{module}.{name}"
        for module, name in globals_of(io.BytesIO(data))
        if not table.allows(module, name)
    )
