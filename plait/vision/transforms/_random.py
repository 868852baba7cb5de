"""Random decisions of transforms, drawn from the default generator as torchvision draws them."""

from __future__ import annotations

from typing import Any

import plait


def uniform(low: float, high: float) -> float:
    """One float32 draw from [low, high]."""
    return float(plait.empty(1).uniform_(float(low), float(high)).item())


def integer(low: int, high: int) -> int:
    """One draw from low, ..., high - 1."""
    return int(plait.randint(low, high, size=(1,)).item())


def chance(p: float) -> bool:
    """True with probability `p`."""
    return plait.rand(1).item() < p


class RandomlyApplied(plait.nn.Module):
    """Base of transforms that do `change` with probability `p`, and else nothing.

    `shown` names the attribute that the repr shows before `p`.
    """

    shown = ""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def change(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self.change(img) if chance(self.p) else img

    def __repr__(self) -> str:
        first = f"{self.shown}={getattr(self, self.shown)}," if self.shown else ""
        return f"{type(self).__name__}({first}p={self.p})"
