"""Process-wide settings that PyTorch programs read and write."""

from __future__ import annotations

from typing import Any

from plait._types import CPU, META, default_device, device, is_meta, require_cpu, set_default
from plait.core.ir.errors import error

_settings = {
    "matmul_precision": "highest",
    "deterministic": False,
    "warn_only": False,
    "warn_always": False,
}


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted for compatibility; float32 products keep full precision."""
    if precision not in ("highest", "high", "medium"):
        raise error(RuntimeError, f"{precision} is not one of 'highest', 'high', or 'medium'")
    _settings["matmul_precision"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given last."""
    return str(_settings["matmul_precision"])


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results are always deterministic."""
    _settings["deterministic"] = mode
    _settings["warn_only"] = warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was given last."""
    return bool(_settings["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was asked to warn only."""
    return bool(_settings["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by a level: 0 "default", 1 "warn", 2 "error".

    Raises TypeError and RuntimeError for other levels.
    """
    if not isinstance(debug_mode, int | str):
        raise error(
            TypeError, f"debug_mode must be str or int, but got {type(debug_mode).__name__}"
        )
    levels = {"default": 0, "warn": 1, "error": 2}
    level = levels.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise error(
            RuntimeError,
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, 0, 1, 2, "
            f"but got {debug_mode}",
        )
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """The level of `set_deterministic_debug_mode`."""
    if not _settings["deterministic"]:
        return 0
    return 1 if _settings["warn_only"] else 2


def set_warn_always(b: bool) -> None:
    """Accepted: warnings follow Python's filters."""
    _settings["warn_always"] = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was given last."""
    return bool(_settings["warn_always"])


def set_flush_denormal(mode: bool) -> bool:
    """False: numbers below the normal ones are kept, whatever is asked for."""
    return False


def get_num_threads() -> int:
    """How many threads run compiled programs; the reference executor computes on one."""
    from plait.core.runtime import threads

    return threads.count()


def set_num_threads(num: int) -> None:
    """The number of threads programs may use. Raises RuntimeError unless positive."""
    from plait.core.runtime import threads

    if num <= 0:
        raise error(RuntimeError, f"set_num_threads expects a positive integer, received {num}")
    threads.set_count(num)


def get_num_interop_threads() -> int:
    """1: programs are launched one after another."""
    return 1


def set_num_interop_threads(num: int) -> None:
    """Accepted for compatibility. Raises RuntimeError unless positive."""
    if num <= 0:
        raise error(RuntimeError, "set_num_interop_threads expects a positive integer")


def get_default_device() -> device:
    """Where tensors are made: the CPU, or the meta device."""
    return default_device()


def set_default_device(device: Any) -> None:
    """Make tensors on the CPU (or None) or the meta device; raises PyTorch's error for others."""
    if device is None or not is_meta(device):
        require_cpu("cpu" if device is None else device)
        set_default(CPU)
    else:
        set_default(META)
