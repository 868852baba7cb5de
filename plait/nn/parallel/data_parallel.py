"""`DataParallel`: with no device but the CPU, the wrapped module itself under the name `module`."""

from __future__ import annotations

from typing import Any

from plait.nn.modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Hands calls on to `module`; the devices named are not used.

    State keys carry the prefix "module." as in PyTorch.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
