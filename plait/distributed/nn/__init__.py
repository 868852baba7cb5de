"""`torch.distributed.nn`: what is exchanged with gradients; there is no group to do it in."""

from plait.distributed.nn.functional import all_gather, all_reduce, broadcast, gather, reduce

__all__ = ["all_gather", "all_reduce", "broadcast", "gather", "reduce"]
