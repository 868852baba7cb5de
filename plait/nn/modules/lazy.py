"""Modules that learn the shapes of their parameters from the first input they are called with."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error
from plait.nn.modules.module import Module
from plait.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """Adds to a layer a first-call hook that sets its shapes and turns it into `cls_to_become`.

    Placed before the layer in the bases. Subclasses define `initialize_parameters(*args,
    **kwargs)`.
    """

    cls_to_become: type[Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(
            _materialize_from_checkpoint, with_module=True
        )
        self._initialize_hook = self.register_forward_pre_hook(_infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialise the parameters for the inputs of the first call."""
        raise error(
            NotImplementedError,
            f"initialize_parameters is not implemented for {type(self).__name__}",
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer still waits for its shape."""
        own = [*self._parameters.values(), *self._buffers.values()]
        return any(is_lazy(tensor) for tensor in own)


def _infer_parameters(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise error(
            RuntimeError,
            f"module {module._get_name()} has not been fully initialized: its "
            "initialize_parameters must materialize every parameter",
        )
    module._initialize_hook.remove()
    module._load_hook.remove()
    del module._initialize_hook, module._load_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _materialize_from_checkpoint(module: Any, state_dict: Any, prefix: str, *unused: Any) -> None:
    """Give waiting parameters the shapes of the checkpoint that is about to be loaded."""
    for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
        value = state_dict.get(prefix + name)
        if is_lazy(tensor) and value is not None and not is_lazy(value):
            tensor.materialize(tuple(value.shape))
