"""`skip_init`: a module whose parameters are yet to be given values."""

from __future__ import annotations

import inspect
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.nn.modules import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module of a class and its arguments, whose parameters hold no particular values.

    Random numbers go on as if it had not been made. Raises RuntimeError for what is no class of
    modules or takes no `device`.
    """
    if not issubclass(module_cls, Module):
        raise error(RuntimeError, f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise error(RuntimeError, "Module must support a 'device' arg to skip initialization")
    state = plait.get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        plait.set_rng_state(state)
