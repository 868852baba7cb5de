"""`torch.distributed.algorithms`: types for libraries' imports; there is one process."""
