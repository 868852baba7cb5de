"""PyTorch's `torch.utils`; its submodules load when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = frozenset(
    ["_pytree", "checkpoint", "data", "dlpack", "hooks", "model_zoo", "tensorboard"]
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"plait.utils.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}' that Plait has built yet")
