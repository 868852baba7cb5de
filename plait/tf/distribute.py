"""`tf.distribute`: strategies with one replica, on the one device."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator
from typing import Any

from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._convert import axes_of, convert, wrap
from plait.tf._dispatch import op


class ReduceOp(enum.Enum):
    """How values of several replicas are made one."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        return ReduceOp.SUM if "SUM" in str(aggregation) else ReduceOp.MEAN


class ReplicaContext:
    """What a function that runs on a replica can ask about it."""

    num_replicas_in_sync = 1
    replica_id_in_sync_group = 0

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """The value: there is one replica."""
        return value

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        return merge_fn(self.strategy, *args, **(kwargs or {}))


class InputContext:
    """What a function that makes a data set can ask about the replicas."""

    num_input_pipelines = 1
    input_pipeline_id = 0
    num_replicas_in_sync = 1

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        return global_batch_size


class InputOptions:
    """Accepted: there is one device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.options = (args, kwargs)


class Strategy:
    """Runs functions on the one replica that there is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.extended = self

    @property
    def num_replicas_in_sync(self) -> int:
        return 1

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """A context in which this strategy is in force."""
        before = _state.strategy
        _state.strategy = self
        try:
            yield self
        finally:
            _state.strategy = before

    def run(
        self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, options: Any = None
    ) -> Any:
        """fn(*args, **kwargs)."""
        return fn(*args, **(kwargs or {}))

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """The value, reduced along `axis` where that is not None. Raises ValueError."""
        if axis is None:
            return value
        return _reduced(value, ReduceOp(getattr(reduce_op, "value", reduce_op)), axis)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """The data set."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Any, options: Any = None) -> Any:
        """The data set that a function of the input context gives."""
        return dataset_fn(InputContext())

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """The values of the replicas."""
        return (value,)

    def gather(self, value: Any, axis: int) -> Any:
        """The value: there is one replica."""
        return value


@op
def _reduced(value: Any, how: ReduceOp, axis: Any) -> Any:
    held = convert(value).inner()
    over = axes_of(axis, held.ndim, "Reduce")
    return wrap(held.sum(dim=over) if how is ReduceOp.SUM else held.mean(dim=over))


class MirroredStrategy(Strategy):
    """One replica: there is one device. Raises ValueError where more are asked for."""

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        super().__init__()
        if devices is not None and len(nest.flatten(devices)) > 1:
            raise error(
                ValueError, f"Plait has one device, but {len(devices)} are asked for: {devices}"
            )


class OneDeviceStrategy(Strategy):
    """One replica on a device of any name."""


class HierarchicalCopyAllReduce:
    """Accepted: there is nothing to reduce."""

    def __init__(self, num_packs: int = 1) -> None:
        self.num_packs = num_packs


ReductionToOneDevice = NcclAllReduce = HierarchicalCopyAllReduce


class _State:
    strategy: Any = Strategy()


_state = _State()


def get_strategy() -> Any:
    """The strategy in force; without one, that of a single replica."""
    return _state.strategy


def has_strategy() -> bool:
    return type(_state.strategy) is not Strategy


def in_cross_replica_context() -> bool:
    return has_strategy()


def get_replica_context() -> ReplicaContext:
    """What can be asked about the replica."""
    return ReplicaContext(_state.strategy)


__getattr__ = unbuilt(
    "tf.distribute",
    (
        "MultiWorkerMirroredStrategy",
        "ParameterServerStrategy",
        "Server",
        "TPUStrategy",
        "cluster_resolver",
        "coordinator",
        "experimental",
    ),
)
