"""Errors that users see: they name the op, what it received, and the user's own line."""

from __future__ import annotations

import os
import sys
import threading
import warnings

_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep


def user_location(depth: int = 1) -> str:
    """``file:line in function`` of the innermost frame outside Plait and Python's own "
    "library; empty if there is none."""
    frame = sys._getframe(depth)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and not _is_standard(name):
            return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def user_stacklevel() -> int:
    """The `stacklevel` with which the caller's `warnings.warn` names the user's line."""
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return level


class _Warned(threading.local):
    """How many warnings a thread has given."""

    times = 0


warned = _Warned()


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of what the user's line does."""
    warned.times += 1
    warnings.warn(message, category, stacklevel=user_stacklevel())


def _is_standard(name: str) -> bool:
    """Whether a file belongs to Python itself; packages installed under its folder do not."""
    return name.startswith("<frozen") or (
        name.startswith(_STANDARD) and "-packages" not in name[len(_STANDARD) :]
    )


def error(kind: type[Exception], message: str, location: str | None = None) -> Exception:
    """An exception of type `kind` whose text ends with the user's line.

    `location` is given when the fault was recorded at an earlier line than the one that found it.
    """
    where = user_location(2) if location is None else location
    return kind(f"{message}\n  at {where}" if where else message)


class ShapeError(RuntimeError):
    """Shapes that do not fit an operation."""


class DivisionByZeroError(RuntimeError, ZeroDivisionError):
    """An integer divided by zero: Python's error, and the RuntimeError that PyTorch raises."""


class DTypeError(RuntimeError):
    """Element types that an operation does not take."""
