"""Samplers: in which order the loader asks for the items of a map-style dataset.

The random ones draw what PyTorch draws, in the same order, so that the same seed gives the same
order of items: `RandomSampler` takes one 64-bit number from the default generator as the seed of a
generator of its own, each time it is iterated (when the first index is asked for, not before).
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from plait.core.ir.errors import error

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)

# With replacement, indices are drawn in chunks of this many: part of the order PyTorch gives.
_CHUNK = 32


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Sampler(Generic[T_co]):
    """Base of samplers: subclasses write `__iter__`, and `__len__` if they have one."""

    def __init__(self, data_source: Any = None) -> None:
        """`data_source` is accepted from programs written for older PyTorch and is not used."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... for each item of `data_source`."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A random order of all items, or with `replacement` independent draws.

    num_samples: how many to give; None for the dataset's length; beyond it, new orders follow.
    generator: the `Generator` to draw from.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise error(
                TypeError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise error(
                ValueError,
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}",
            )

    @property
    def num_samples(self) -> int:
        """How many indices one iteration gives; follows a dataset that grows."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _own_generator(self) -> Any:
        import plait  # not at the top: the face imports this module

        seed = int(plait.empty((), dtype=plait.int64).random_().item())
        generator = plait.Generator()
        generator.manual_seed(seed)
        return generator

    def __iter__(self) -> Iterator[int]:
        import plait  # not at the top: the face imports this module

        n = len(self.data_source)
        generator = self._own_generator() if self.generator is None else self.generator
        if self.replacement:
            chunk, draw = _CHUNK, self._draw_with_replacement
        else:
            chunk, draw = n, None
        whole, rest = divmod(self.num_samples, chunk)
        for size in itertools.chain(itertools.repeat(chunk, whole), (rest,)):
            if draw is not None:
                yield from draw(n, size, generator)
            else:  # the last order is drawn even if nothing of it is given, as in PyTorch
                yield from plait.randperm(n, generator=generator).tolist()[:size]

    @staticmethod
    def _draw_with_replacement(n: int, size: int, generator: Any) -> list[int]:
        import plait  # not at the top: the face imports this module

        draws = plait.randint(high=n, size=(size,), dtype=plait.int64, generator=generator)
        return draws.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        import plait  # not at the top: the face imports this module

        for position in plait.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices of 0 .. len(weights) - 1, drawn with the given weights."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        import plait  # not at the top: the face imports this module

        if not _is_positive_int(num_samples):
            raise error(
                ValueError,
                f"num_samples should be a positive integer value, but got "
                f"num_samples={num_samples}",
            )
        if not isinstance(replacement, bool):
            raise error(
                ValueError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        self.weights = plait.as_tensor(weights, dtype=plait.float64)
        if self.weights.dim() != 1:
            raise error(
                ValueError,
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}",
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        import plait  # not at the top: the face imports this module

        drawn = plait.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from another sampler (any iterable); a short last one is
    dropped if `drop_last`."""

    def __init__(
        self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        if not _is_positive_int(batch_size):
            raise error(
                ValueError,
                f"batch_size should be a positive integer value, but got batch_size={batch_size}",
            )
        if not isinstance(drop_last, bool):
            raise error(
                ValueError, f"drop_last should be a boolean value, but got drop_last={drop_last}"
            )
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]  # TypeError if it has no length
        return whole + (rest > 0 and not self.drop_last)
