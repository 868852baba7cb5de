"""The programs by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Enter a program: it takes the module `tf`, and gives tensors or structures."""
    PROGRAMS[function.__name__] = function
    return function
