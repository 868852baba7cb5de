"""Which names a checkpoint may use, and what they mean to Plait.

`restricted_table` is the allow-list of a restricted load; `make_trusting_unpickler` is pickle with
PyTorch's names translated, for `weights_only=False`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

from plait.io import names
from plait.io.allowlist import user_globals
from plait.io.rebuild import STORAGE_TYPES, UNTYPED, Rebuilder, StorageType
from plait.io.unpickler import BUILTIN_GLOBALS, GlobalTable

Entry = tuple[Any, Callable[..., Any] | None]


def restricted_table(bridge: Any) -> GlobalTable:
    """The allow-list: containers, rebuild functions, dtypes, Size, device, the user's globals."""
    fixed: dict[str, Entry] = dict(BUILTIN_GLOBALS)
    for full_name, function in Rebuilder(bridge).functions.items():
        fixed[full_name] = (function, function)
    fixed["torch.Size"] = (bridge.make_size, bridge.make_size)
    fixed["torch.device"] = (bridge.make_device, bridge.make_device)
    return GlobalTable(fixed, user_globals(), lambda m, n: _torch_value(bridge, m, n))


def _torch_value(bridge: Any, module: str, name: str) -> Entry | None:
    """PyTorch's names that are data, not to be called: storage classes, dtypes, tensor classes."""
    storage_type = _storage_type(module, name)
    if storage_type is not None:
        return storage_type, None
    if (module, name) == ("torch.nn.parameter", "Parameter") or module == "torch":
        value = bridge.value_global(name)
        return None if value is None else (value, None)
    return None


def _storage_type(module: str, name: str) -> StorageType | None:
    if name == "UntypedStorage" and module in ("torch", "torch.storage"):
        return UNTYPED
    if module in ("torch", "torch.cuda"):
        return STORAGE_TYPES.get(name)
    return None


def make_trusting_unpickler(
    pickle_module: Any,
    file: BinaryIO,
    bridge: Any,
    persistent_load: Callable[[Any], Any],
    **pickle_args: Any,
) -> Any:
    """An unpickler that builds anything the file names. It runs code from the file."""
    functions = Rebuilder(bridge).functions

    class TrustingUnpickler(pickle_module.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return persistent_load(pid)

        def find_class(self, module: str, name: str) -> Any:
            storage_type = _storage_type(module, name)
            if storage_type is not None:
                return storage_type
            known = functions.get(f"{module}.{name}")
            if known is not None:
                return known
            if names.from_torch(module) == module:
                return super().find_class(module, name)
            return _find_counterpart(bridge, module, name)

    return TrustingUnpickler(file, **pickle_args)


def _find_counterpart(bridge: Any, module: str, name: str) -> Any:
    value = bridge.value_global(name) if module == "torch" else None
    if value is not None:
        return value
    try:
        return bridge.find_global(module, name)
    except (AttributeError, ModuleNotFoundError) as error:
        raise pickle.UnpicklingError(
            f"the checkpoint needs {module}.{name}, which Plait does not have ({error}). Load a "
            "state_dict instead of a whole object"
        ) from error
