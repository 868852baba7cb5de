"""Anomaly detection: accepted and remembered. Errors name the user's line in any case."""

from __future__ import annotations

from typing import Any

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


class _State:
    enabled = False


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection was asked for."""
    return _State.enabled


class set_detect_anomaly:
    """Ask for anomaly detection, at once; as a context, for that region."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = _State.enabled
        _State.enabled = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        _State.enabled = self.before


class detect_anomaly:
    """Ask for anomaly detection in a region."""

    def __init__(self, check_nan: bool = True) -> None:
        self.before = _State.enabled

    def __enter__(self) -> None:
        self.before = _State.enabled
        _State.enabled = True

    def __exit__(self, *exc: Any) -> None:
        _State.enabled = self.before
