"""Anomaly detection: which function's gradient is nan. Errors name the user's line in any case."""

from __future__ import annotations

from typing import Any

from plait.core.lazy.modes import modes

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


class _State:
    enabled = False


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection was asked for."""
    return _State.enabled


class set_detect_anomaly:
    """Ask for anomaly detection, at once; as a context, for that region.

    With `check_nan`, a backward pass of this thread computes each gradient by itself, and raises
    RuntimeError that names the first function whose gradient is nan.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = _State.enabled, modes.checks_nan
        _switch(bool(mode), bool(mode and check_nan))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        _switch(*self.before)


class detect_anomaly:
    """Ask for anomaly detection in a region: see `set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self.before = _State.enabled, modes.checks_nan

    def __enter__(self) -> None:
        self.before = _State.enabled, modes.checks_nan
        _switch(True, self.check_nan)

    def __exit__(self, *exc: Any) -> None:
        _switch(*self.before)


def _switch(enabled: bool, checks_nan: bool) -> None:
    _State.enabled, modes.checks_nan = enabled, checks_nan
