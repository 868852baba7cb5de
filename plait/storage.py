"""`torch.storage`: the memory of tensors; see `plait._storage`."""

from plait._storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
