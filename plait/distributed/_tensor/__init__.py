"""The old name of `torch.distributed.tensor`."""

from plait.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

__all__ = ["DTensor", "Partial", "Replicate", "Shard", "distribute_tensor"]
