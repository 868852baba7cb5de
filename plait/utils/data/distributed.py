"""The sampler that gives each of several processes its own part of a dataset.

The number of processes and the own rank come from `plait.distributed` where a group runs; without
one the sampler serves the single process that there is.
"""

import math
from collections.abc import Iterator, Sized

from plait.core.ir.errors import error

from .sampler import Sampler

__all__ = ["DistributedSampler"]


def _group_size_and_rank() -> tuple[int, int]:
    import plait  # not at the top: the face imports this module

    group = getattr(plait, "distributed", None)
    if group is not None and group.is_available() and group.is_initialized():
        return group.get_world_size(), group.get_rank()
    return 1, 0


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, from `rank` on, of an order that all processes agree on.

    shuffle: a random order by `seed` and the epoch (`set_epoch`), else the dataset's own.
    drop_last: leave out the tail that does not divide evenly; otherwise the first indices fill it
    up. Raises ValueError if `rank` is not one of the processes.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            size, own_rank = _group_size_and_rank()
            num_replicas = size if num_replicas is None else num_replicas
            rank = own_rank if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise error(
                ValueError,
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]",
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        if drop_last:
            self.num_samples = len(dataset) // num_replicas
        else:
            self.num_samples = math.ceil(len(dataset) / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            import plait  # not at the top: the face imports this module

            generator = plait.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = plait.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        if n and n < self.total_size:
            indices *= math.ceil(self.total_size / n)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; call it before each epoch, in all processes alike."""
        self.epoch = epoch
