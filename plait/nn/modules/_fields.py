"""What every module holds: the fields that the parts of `Module` share, and how they are named."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from plait import Tensor

__all__ = ["FIELDS", "ModuleFields", "new_fields", "type_name"]

#: Fields that hold hooks or members, each an ordered dict keyed by name or by hook id.
FIELDS = (
    "_parameters",
    "_buffers",
    "_modules",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class ModuleFields:
    """Declares the instance fields; `Module.__init__` fills them (see `new_fields`)."""

    training: bool
    #: Format version of the class, stored with every checkpoint (`_metadata`).
    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    #: True: all backward hooks are full ones; False: all are old ones; None: there are none.
    _is_full_backward_hook: bool | None
    _backward_pre_hooks: dict[int, Any]
    _backward_hooks: dict[int, Any]
    _forward_hooks: dict[int, Any]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: dict[int, Any]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _state_dict_hooks: dict[int, Any]
    _state_dict_pre_hooks: dict[int, Any]
    _load_state_dict_pre_hooks: dict[int, Any]
    _load_state_dict_post_hooks: dict[int, Any]

    def _get_name(self) -> str:
        return self.__class__.__name__


def new_fields() -> dict[str, Any]:
    """Fresh, empty fields of a module in training mode."""
    fields: dict[str, Any] = {"training": True, "_is_full_backward_hook": None}
    for name in FIELDS:
        fields[name] = {} if name in ("_parameters", "_buffers", "_modules") else OrderedDict()
    fields["_non_persistent_buffers_set"] = set()
    return fields


def type_name(value: Any) -> str:
    """The type of `value` as error messages print it: `torch.FloatTensor`, `int`, `pkg.Class`."""
    if isinstance(value, Tensor):
        return value.type()
    kind = type(value)
    if kind.__module__ in ("builtins", "__builtin__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
