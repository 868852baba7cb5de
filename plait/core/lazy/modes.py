"""Recording modes, per Python thread."""

from __future__ import annotations

import threading


class _Modes(threading.local):
    """Defaults of a new thread; assignments stay in the thread that makes them."""

    grad_enabled = True
    inference = False
    #: Whether a backward pass looks for nan in each gradient (anomaly detection).
    checks_nan = False


modes = _Modes()


class grad_mode:
    """Context that sets whether operations are recorded for differentiation."""

    __slots__ = ("before", "enabled")

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.before = modes.grad_enabled
        modes.grad_enabled = self.enabled

    def __exit__(self, *exc: object) -> None:
        modes.grad_enabled = self.before
