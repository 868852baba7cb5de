"""XPU devices: there are none. What a program may call in any case does nothing."""

from __future__ import annotations

from typing import Any, NoReturn

from plait.core.ir.errors import error

__all__ = ["device_count", "is_available", "manual_seed"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Does nothing: there is no device to act on."""


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises AssertionError: there is no device."""
    raise error(AssertionError, "Torch not compiled with XPU enabled")


manual_seed = manual_seed_all = seed = seed_all = empty_cache = _nothing
synchronize = set_device = current_device = get_rng_state = set_rng_state = _refuse
current_allocated_memory = driver_allocated_memory = memory_allocated = _refuse
