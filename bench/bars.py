"""What kernels are to reach, by group, and how far each group is from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contenders import COPY, KERNELS, PLAIT, TORCH


@dataclass
class Row:
    """What was measured for a case: seconds a call, by contender; the bytes that must move."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    nbytes: int = 0
    trouble: str = ""

    def least(self, *contenders: str) -> float:
        """The least time of any of them; nan without one."""
        found = [t for name in contenders for t in self.times.get(name, ())]
        return min(found) if found else math.nan

    def speed(self, *others: str) -> float:
        """Others' least time over Plait's: 1 is their speed, 2 twice their speed.

        Copies are compared with the kernels alone, where they were measured.
        """
        mine = (KERNELS,) if COPY in others and KERNELS in self.times else PLAIT
        return self.least(*others) / self.least(*mine)

    @property
    def bandwidth(self) -> float:
        """Compulsory bytes a second, of the kernels alone where they were measured."""
        return self.nbytes / self.least(*PLAIT, KERNELS)


@dataclass(frozen=True)
class Bar:
    """The least speed, in shares of `of`'s, that a group is to reach as a geometric mean, and each
    of its cases by itself. part: only the cases whose name has, or lacks, a text count."""

    group: str
    of: tuple[str, ...]
    mean: float = 0.0
    each: float = 0.0
    part: Callable[[str], bool] = lambda name: True
    title: str = ""

    def judged(self, rows: Sequence[Row]) -> tuple[float, float, Row, int] | None:
        """(geometric mean, worst speed, its row, cases below `each`); None without any case."""
        known = [
            (speed, row)
            for row in rows
            if self.part(row.name) and not math.isnan(speed := row.speed(*self.of))
        ]
        if not known:
            return None
        mean = math.exp(sum(math.log(speed) for speed, _ in known) / len(known))
        worst, row = min(known, key=lambda pair: pair[0])
        return mean, worst, row, sum(speed < self.each for speed, _ in known)


_PRODUCTS = ("gemm", "gemm_square", "gemm_skinny", "gemm_narrow", "gemm_odd", "gemm_batched")
#: Groups whose cases move memory and compute little.
MEMORY_BOUND = (
    "softmax",
    "layer_norm",
    "batch_norm",
    "copies",
    "elementwise",
    "reductions",
    "transposes",
    "gather",
)

BARS = (
    *[Bar(group, TORCH, mean=0.9, each=0.75) for group in _PRODUCTS],
    Bar("conv_resnet50", TORCH, mean=1, part=lambda n: "gradient" not in n, title="forward"),
    Bar("conv_resnet50", TORCH, mean=1, part=lambda n: "input" in n, title="input gradient"),
    Bar("conv_resnet50", TORCH, mean=1, part=lambda n: "weight" in n, title="weight gradient"),
    *[Bar(group, (COPY,), each=0.85) for group in MEMORY_BOUND],
)


def contenders_of(group: str, known: Sequence[str]) -> list[str]:
    """Who is measured in a group: both layouts for images, copies where memory is the measure."""
    last = group.startswith("conv")
    return [
        name
        for name in known
        if (last or not name.endswith("_last"))
        and (not last or name != "numpy")
        and (group in MEMORY_BOUND or name not in (COPY, KERNELS))
    ]


def summary(groups: dict[str, list[Row]]) -> str:
    """The bars of the groups that were measured, as Markdown: speeds, more is better."""
    head = ["bar", "of", "mean", "to reach", "worst", "to reach", "below", "met", "worst case"]
    lines = [head, ["---"] * len(head)]
    for bar in BARS:
        judged = bar.judged(groups.get(bar.group, []))
        if judged is None:
            continue
        mean, worst, row, below = judged
        lines.append(
            [
                f"{bar.group} {bar.title}".rstrip(),
                bar.of[0],
                f"{mean:.2f}",
                _wanted(bar.mean),
                f"{worst:.2f}",
                _wanted(bar.each),
                str(below),
                "yes" if mean >= bar.mean and worst >= bar.each else "no",
                row.name,
            ]
        )
    return markdown(lines)


def _wanted(share: float) -> str:
    return f"{share:.2f}" if share else ""


def markdown(lines: Sequence[Sequence[Any]]) -> str:
    """Cells as lines of a table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
