"""A module whose calls are compiled."""

from __future__ import annotations

from typing import Any

from plait.compiler.compiled import Compiled
from plait.nn import Module


class OptimizedModule(Module):
    """Stands for the module `_orig_mod`: same parameters, attributes and mode, compiled calls."""

    def __init__(self, module: Module, whole: bool = False) -> None:
        super().__init__()
        self._modules["_orig_mod"] = module
        self.__dict__["_compiled"] = Compiled(module, whole)
        self.__dict__["training"] = module.training

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_compiled"](*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output."""
        return self.__dict__["_compiled"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("training", "_orig_mod") or "_modules" not in self.__dict__:
            super().__setattr__(name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)
