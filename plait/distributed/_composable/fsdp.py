"""An older place of `torch.distributed.fsdp`."""

from plait.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

__all__ = ["FSDPModule", "MixedPrecisionPolicy", "fully_shard"]
