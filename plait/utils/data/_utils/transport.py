"""Sending objects with tensors and arrays in them between the loader and its workers.

`send` and `recv` move one object over a duplex `multiprocessing` connection. Arrays and plain
tensors leave the pickle (protocol 5, out of band). Where they are large and the system has
anonymous memory files (Linux), they are written once into such a file whose descriptor crosses: the
receiver maps it, nothing is copied again, and since the file has no name nothing is left behind by
a process that dies. Else they follow over the connection.
"""

import io
import mmap
import os
import pickle
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from plait.core.ir.errors import error

from . import tensors

# Below this a copy through the socket is cheaper than making and mapping a file (some 20 us).
_SHARE_FROM_BYTES = 64 * 1024
_ALIGN = 64  # a cache line: what vector loads like best

_HAS_MEMORY_FILES = hasattr(os, "memfd_create")


class _Pickler(reduction.ForkingPickler):
    """Pickles plain tensors as arrays; everything else as multiprocessing does."""

    def __init__(self, file: Any, buffer_callback: Callable | None = None) -> None:
        super().__init__(file, 5, True, buffer_callback)
        import plait  # not at the top: the face imports this module

        self._tensor_type = plait.Tensor

    def reducer_override(self, obj: Any) -> Any:  # type: ignore[override]  # a hook, see pickle
        if type(obj) is not self._tensor_type:
            return NotImplemented
        if obj.requires_grad and not obj.is_leaf:
            raise error(
                RuntimeError,
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since "
                "autograd does not support crossing process boundaries.  If you just want to "
                "transfer the data, call detach() on the tensor before serializing (e.g., putting "
                "it on the queue).",
            )
        values = obj.detach()
        if not tensors.is_plain(values):
            return NotImplemented
        array = tensors.read(values)
        if not array.flags.c_contiguous:
            array = array.copy(order="C")
        return _rebuild_tensor, (array, tensors.dtype_name(obj), obj.requires_grad)


def _rebuild_tensor(array: np.ndarray, dtype: str, requires_grad: bool) -> Any:
    tensor = tensors.make(array, dtype)
    return tensor.requires_grad_() if requires_grad else tensor


def dumps(obj: Any) -> bytes:
    """`obj` as bytes, arrays included."""
    file = io.BytesIO()
    _Pickler(file).dump(obj)
    return file.getvalue()


def loads(data: bytes) -> Any:
    """The inverse of `dumps`."""
    return pickle.loads(data)


def send(connection: Connection, obj: Any) -> None:
    """Send one object. Nothing has been sent if it cannot be pickled."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    _Pickler(file, buffers.append).dump(obj)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    shared = _HAS_MEMORY_FILES and sum(sizes) >= _SHARE_FROM_BYTES

    # One message for all but the buffers: an interrupt cannot leave half a task behind.
    connection.send((sizes, shared, file.getvalue()))
    if shared:
        _send_as_file(connection, views, sizes)
    else:
        for view in views:
            connection.send_bytes(view)


def recv(connection: Connection) -> Any:
    """Receive one object; EOFError if the other side is gone."""
    sizes, shared, payload = connection.recv()
    if shared:
        views: list[Any] = _recv_as_file(connection, sizes)
    else:
        views = [bytearray(connection.recv_bytes()) for _ in sizes]
    return pickle.loads(payload, buffers=views)


def _offsets(sizes: list[int]) -> list[int]:
    """Where each buffer begins in the file; the last entry is the file's length."""
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + -(-size // _ALIGN) * _ALIGN)
    return offsets


def _send_as_file(connection: Connection, views: list[memoryview], sizes: list[int]) -> None:
    offsets = _offsets(sizes)
    with open(os.memfd_create("plait-batch", os.MFD_CLOEXEC), "w+b", buffering=0) as file:
        file.truncate(offsets[-1])
        with mmap.mmap(file.fileno(), offsets[-1]) as memory:
            for offset, view in zip(offsets, views):
                memory[offset : offset + view.nbytes] = view
        # The peer's pid is needed on Windows only, where there are no memory files.
        reduction.send_handle(connection, file.fileno(), None)


def _recv_as_file(connection: Connection, sizes: list[int]) -> list[memoryview]:
    offsets = _offsets(sizes)
    descriptor = reduction.recv_handle(connection)
    try:
        memory = memoryview(mmap.mmap(descriptor, offsets[-1]))
    finally:
        os.close(descriptor)
    return [memory[offset : offset + size] for offset, size in zip(offsets, sizes)]
