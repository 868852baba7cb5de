"""What `torch.jit.save` writes: a checkpoint of a whole module, whose classes are only named.

`load` builds such a module from classes of modules that this process has already defined, and
nothing else: no import, no other call is made for the file's sake.
"""

from __future__ import annotations

import sys
from typing import Any

from plait import io, nn
from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.io import names


def save(module: Any, f: Any, extra_files: Any) -> None:
    """See `torch.jit.save`."""
    if not isinstance(module, nn.Module):
        raise not_built(
            f"torch.jit.save of a {type(module).__name__} (modules can be saved; TorchScript's "
            "functions are none here)"
        )
    if extra_files:
        raise not_built("torch.jit.save with _extra_files")
    io.save(module, f)


def load(f: Any, map_location: Any) -> Any:
    """The module of a file that `save` wrote. RuntimeError for any other file, and where a class
    is not defined here."""
    unsafe = io.get_unsafe_globals_in_checkpoint(f)
    found = {name: _module_class(name) for name in unsafe}
    missing = [name for name, kind in found.items() if kind is None]
    if missing:
        raise error(
            RuntimeError,
            f"torch.jit.load: the file needs {', '.join(missing)}, which this process has not "
            "defined as classes of modules. The code of a module is not saved: import what defines "
            "it first, or save state_dict() with torch.save",
        )
    _rewind(f)
    with io.safe_globals([(kind, name) for name, kind in found.items() if kind is not None]):
        module = io.load(f, map_location=map_location)
    if not isinstance(module, nn.Module):
        raise error(
            RuntimeError,
            f"the file is no TorchScript archive and holds a {type(module).__name__}, no module; "
            "torch.load reads checkpoints",
        )
    return module


def _rewind(f: Any) -> None:
    if hasattr(f, "seek"):
        f.seek(0)


def _module_class(name: str) -> type[nn.Module] | None:
    """The class of modules of this name, if a module that is already imported defines it."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(names.from_torch(".".join(parts[:end])))
        if found is None:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
    return None
