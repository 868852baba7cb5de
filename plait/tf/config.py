"""`tf.config`: one CPU, and switches of which those about devices change nothing."""

from __future__ import annotations

import types
from typing import Any, NamedTuple

import plait
from plait.tf import _function


class PhysicalDevice(NamedTuple):
    name: str
    device_type: str


class LogicalDevice(NamedTuple):
    name: str
    device_type: str


class LogicalDeviceConfiguration(NamedTuple):
    memory_limit: Any = None
    experimental_priority: Any = None
    experimental_device_ordinal: Any = None


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The CPU, where CPUs or all devices are asked for."""
    if device_type in (None, "CPU"):
        return [PhysicalDevice("/physical_device:CPU:0", "CPU")]
    return []


def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The CPU, where CPUs or all devices are asked for."""
    return [LogicalDevice("/device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """As `list_physical_devices`."""
    return list_physical_devices(device_type)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Nothing: there is one device, with the host's memory."""


set_visible_devices = set_logical_device_configuration = set_soft_device_placement = _nothing


def get_soft_device_placement() -> bool:
    return True


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Whether functions under `tf.function` are called as they are, without compiling."""
    _function.settings.eager = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    return _function.settings.eager


class threading:
    """The number of threads that kernels run on."""

    set_inter_op_parallelism_threads = staticmethod(_nothing)

    @staticmethod
    def set_intra_op_parallelism_threads(num_threads: int) -> None:
        if num_threads:
            plait.set_num_threads(num_threads)

    @staticmethod
    def get_intra_op_parallelism_threads() -> int:
        return plait.get_num_threads()

    @staticmethod
    def get_inter_op_parallelism_threads() -> int:
        return 1


class optimizer:
    """Switches of TensorFlow's graph optimizer, accepted."""

    _jit = False
    _options: dict[str, Any] = {}  # noqa: RUF012  # one set of switches for the process

    @classmethod
    def set_jit(cls, enabled: Any) -> None:
        cls._jit = enabled

    @classmethod
    def get_jit(cls) -> Any:
        return cls._jit

    @classmethod
    def set_experimental_options(cls, options: dict[str, Any]) -> None:
        cls._options = {**cls._options, **options}

    @classmethod
    def get_experimental_options(cls) -> dict[str, Any]:
        return dict(cls._options)


experimental = types.SimpleNamespace(
    set_memory_growth=_nothing,
    get_memory_growth=lambda device: False,
    list_physical_devices=list_physical_devices,
    list_logical_devices=list_logical_devices,
    set_visible_devices=_nothing,
    set_virtual_device_configuration=_nothing,
    VirtualDeviceConfiguration=LogicalDeviceConfiguration,
    enable_tensor_float_32_execution=_nothing,
    enable_op_determinism=_nothing,
)


def enable_op_determinism() -> None:
    """Nothing: results do not depend on the number of threads."""
