"""Accelerators by whatever name: there is none, and asking for one says so."""

from __future__ import annotations

from typing import Any, NoReturn

from plait.core.ir.errors import error

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """False: Plait computes on the CPU."""
    return False


def current_accelerator(check_available: bool = False) -> None:
    """None: Plait computes on the CPU."""
    return


def device_count() -> int:
    """0."""
    return 0


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: there is no accelerator."""
    raise error(RuntimeError, "Cannot access accelerator device when none is available.")


current_device_index = current_device_idx = set_device_index = set_device_idx = _refuse
current_stream = set_stream = synchronize = device_index = _refuse
empty_cache = memory_allocated = max_memory_allocated = memory_reserved = _refuse
max_memory_reserved = memory_stats = get_memory_info = _refuse
reset_peak_memory_stats = reset_accumulated_memory_stats = get_device_capability = _refuse
