"""Cutting arguments along the batch for several devices, of which there is one.

`scatter` makes one chunk, `gather` takes it: what PyTorch's functions do with a single device.
"""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error

__all__ = ["gather", "scatter", "scatter_kwargs"]


def _require_one(name: str, devices: Any) -> None:
    if len(devices) != 1:
        raise error(
            RuntimeError, f"{name}: there is one device, the CPU; got {len(devices)}: {devices!r}"
        )


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> list[Any]:
    """The inputs for each of the devices: a list of one. RuntimeError for more devices."""
    _require_one("scatter", target_gpus)
    return [inputs]


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Any, dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """Positional and keyword arguments for each of the devices."""
    _require_one("scatter_kwargs", target_gpus)
    return (tuple(inputs),), (dict(kwargs or {}),)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The results of the devices as one: the only one."""
    _require_one("gather", outputs)
    return outputs[0]
