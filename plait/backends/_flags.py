"""A group of flags that programs set, read back, and change for a region."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def changed(flags: ModuleType | Any, **values: Any) -> Iterator[None]:
    """Set attributes for a region; those given as None stay."""
    given = {name: value for name, value in values.items() if value is not None}
    before = {name: getattr(flags, name) for name in given}
    try:
        for name, value in given.items():
            setattr(flags, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(flags, name, value)
