"""`torch.serialization`: saving, loading, and what a restricted load may build; see `plait.io`."""

from collections.abc import Callable
from typing import Any

from plait.io import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    load,
    safe_globals,
    save,
)

#: What `map_location` may be.
MAP_LOCATION = Callable[[Any, str], Any] | Any | str | dict[str, str] | None

#: The pickle protocol of `save`.
DEFAULT_PROTOCOL = 2

__all__ = [
    "DEFAULT_PROTOCOL",
    "MAP_LOCATION",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]
