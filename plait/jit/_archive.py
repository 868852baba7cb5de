"""The module that stands for a TorchScript archive: weights and structure, no code."""

from __future__ import annotations

from typing import Any

from plait import Tensor, nn
from plait.core.ir.errors import error
from plait.io import torchscript
from plait.jit import _saved


class LoadedModule(nn.Module):
    """A module of an archive; `original_name` is its class there. It cannot be called."""

    def __init__(self, source: torchscript.ScriptObject) -> None:
        super().__init__()
        self.original_name = type(source).__name__
        values = source.values
        for name in source.parameters:
            value = values.get(name)
            grad = isinstance(value, Tensor) and value.requires_grad
            self.register_parameter(name, None if value is None else nn.Parameter(value, grad))
        for name in source.buffers:
            self.register_buffer(name, values.get(name))
        for name, value in values.items():
            if isinstance(value, torchscript.ScriptObject):
                self.add_module(name, LoadedModule(value))
            elif name == "training":
                self.training = bool(value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise error(
            NotImplementedError,
            f"the code of the TorchScript module {self.original_name} cannot be run by Plait; give "
            "its state_dict() to load_state_dict of the Python class it was made from",
        )


def load(f: Any, map_location: Any = None) -> nn.Module:
    """See `torch.jit.load`."""
    if not torchscript.is_archive(f):
        return _saved.load(f, map_location)
    root = torchscript.read(f, map_location)
    try:
        return LoadedModule(root)
    except RecursionError:
        raise error(RuntimeError, "a TorchScript archive's modules contain themselves") from None
