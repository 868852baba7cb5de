"""`torch.distributed`: one process. What needs a group of processes raises."""

from __future__ import annotations

from typing import Any, NoReturn

from plait._unbuilt import not_built, unbuilt
from plait.core.ir.errors import error

__all__ = ["get_rank", "get_world_size", "init_process_group", "is_available", "is_initialized"]


def is_available() -> bool:
    """False: groups of processes are not built yet."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise not_built("torch.distributed.init_process_group")


def destroy_process_group(group: Any = None) -> None:
    """Raises AssertionError: there is no group."""
    raise error(AssertionError, "Default process group has not been initialized")


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises ValueError: there is no group."""
    raise error(
        ValueError,
        "Default process group has not been initialized, please make sure to call "
        "init_process_group.",
    )


get_rank = get_world_size = get_backend = barrier = new_group = _refuse
all_reduce = all_gather = all_gather_object = broadcast = broadcast_object_list = _refuse
reduce = reduce_scatter = scatter = gather = send = recv = isend = irecv = _refuse


class ReduceOp:
    """Names of reductions."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


class ProcessGroup:
    """A group of processes; none can be made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.ProcessGroup")


class group:
    """Names of groups: there is no other than the world, which is not there."""

    WORLD: Any = None


__getattr__ = unbuilt(
    "torch.distributed",
    (
        "DistributedDataParallel",
        "checkpoint",
        "elastic",
        "pipelining",
        "rpc",
    ),
)
