"""The old name of `torch.distributed.tensor.experimental`."""

from plait.distributed.tensor.experimental import implicit_replication

__all__ = ["implicit_replication"]
