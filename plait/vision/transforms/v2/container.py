"""Transforms of transforms, of version 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms.v2._transform import Transform


class _Container(Transform):
    """Holds transforms; its repr shows them."""

    def __init__(self, transforms: Sequence[Callable] | plait.nn.ModuleList) -> None:
        super().__init__()
        if not isinstance(transforms, (Sequence, plait.nn.ModuleList)):
            raise error(TypeError, "Argument transforms should be a sequence of callables")
        self.transforms = transforms

    def _run(self, transform: Callable, sample: tuple[Any, ...]) -> tuple[Any, ...]:
        """The sample after one transform; a single one is a tuple of one."""
        result = transform(*sample)
        return result if len(sample) > 1 else (result,)


class Compose(_Container):
    """The transforms, one after the other."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__(transforms)
        if not transforms:
            raise error(ValueError, "Pass at least one transform")

    def forward(self, *inputs: Any) -> Any:
        sample = inputs
        for transform in self.transforms:
            sample = self._run(transform, sample)
        return sample if len(inputs) > 1 else sample[0]

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomApply(_Container):
    """All the transforms with probability `p`, else none."""

    def __init__(
        self, transforms: Sequence[Callable] | plait.nn.ModuleList, p: float = 0.5
    ) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise error(
                ValueError, "`p` should be a floating point value in the interval [0.0, 1.0]."
            )
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        sample = inputs
        if plait.rand(1).item() < self.p:
            for transform in self.transforms:
                sample = self._run(transform, sample)
        return sample if len(inputs) > 1 else sample[0]

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomChoice(_Container):
    """One of the transforms, with probabilities in proportion to `p`."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1] * len(transforms) if p is None else list(p)
        if len(weights) != len(transforms):
            raise error(
                ValueError,
                f"Length of p doesn't match the number of transforms: {len(weights)} != "
                f"{len(transforms)}",
            )
        self.p = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        number = int(plait.multinomial(plait.tensor(self.p), 1).item())
        return self.transforms[number](*inputs)


class RandomOrder(_Container):
    """All the transforms, in random order."""

    def forward(self, *inputs: Any) -> Any:
        sample = inputs
        for number in plait.randperm(len(self.transforms)).tolist():
            sample = self._run(self.transforms[number], sample)
        return sample if len(inputs) > 1 else sample[0]
