"""`torch.distributed.device_mesh`: there is one device.

Libraries ask `isinstance` of the types, which is False; making one raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built

__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    """Devices of processes, as an array."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.device_mesh.DeviceMesh")


def init_device_mesh(*args: Any, **kwargs: Any) -> Any:
    """An array of the devices of processes."""
    raise not_built("torch.distributed.device_mesh.init_device_mesh")
