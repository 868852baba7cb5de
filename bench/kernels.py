"""Plait's kernels against NumPy's and PyTorch's: `python -m bench.kernels [group ...]`.

A process for each contender (`contenders.py`), and blocks in turn. All results are compared first;
a case where they differ fails the command. What is to be reached stands in `bars.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import machine
from bench.bars import Row, contenders_of, markdown, summary
from bench.contenders import CONTENDERS, COPY, TORCH, contenders

#: Largest difference of a result, relative to its largest value: float32 sums of up to 10^7 terms,
#: in two orders.
_TOLERANCE = 1e-3
#: What the table compares Plait with: the best of these.
_OTHERS = {"torch": TORCH, "numpy": ("numpy",), COPY: (COPY,)}
#: Megabytes of results that may wait to be computed where arrays are of 1 GB.
_HUGE_MB = 8192


def measure(
    name: str, talk: dict[str, Any], place: tuple[str, int, bool], rounds: int, block: tuple
) -> Row:
    """Compare a case's results, then time it by turns.

    talk: whom to ask, by contender (`contenders`). place: group, number, huge. block: (seconds,
    realtime).
    """
    row = Row(name)
    results = {}
    for contender, pipe in talk.items():
        if contender == COPY:
            continue
        pipe.send(("case", *place))
        answer = pipe.recv()
        if isinstance(answer, str):
            row.trouble = f"{contender}: {answer}"
        elif answer is not None:
            results[contender], size = answer  # none from kernels alone
            row.nbytes = max(row.nbytes, size)
    judge = results.get(TORCH[0])
    if judge is not None:
        worst = max(_difference(a, b) for parts in results.values() for a, b in zip(parts, judge))
        if not worst <= _TOLERANCE:
            row.trouble = f"results differ by {worst:.1g}"
    turns = list(results)
    if COPY in talk and row.nbytes:
        talk[COPY].take(row.nbytes)
        turns.append(COPY)
    del results, judge
    row.times = {contender: [] for contender in turns}
    for turn in range(rounds):
        for contender in turns if turn % 2 == 0 else reversed(turns):
            row.times[contender].append(_block(talk[contender], block))
    return row


def _block(whom: Any, block: tuple) -> float:
    if hasattr(whom, "block"):
        return whom.block(*block)
    whom.send(("block", *block))
    return whom.recv()


def _difference(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest value."""
    if a.shape != b.shape:
        return math.inf
    if not a.size:
        return 0.0
    scale = float(abs(b).max()) or 1.0
    return float(abs(a.astype("float64") - b.astype("float64")).max()) / scale


def table(group: str, rows: Sequence[Row]) -> str:
    """A group's cases as Markdown: microseconds, least (median), Plait's bandwidth where copies
    were measured, and ratios of least times."""
    names = [name for name in CONTENDERS if any(name in row.times for row in rows)]
    others = [name for name in _OTHERS if name in names]
    copied = COPY in names
    head = [group, *[f"{name} us" for name in names], *(["GB/s"] if copied else [])]
    lines = [[*head, *[f"plait / {name}" for name in others]]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [row.name]
        for name in names:
            times = row.times.get(name)
            cells.append(
                f"{_micro(min(times))} ({_micro(statistics.median(times))})" if times else ""
            )
        if copied:
            cells.append(f"{row.bandwidth / 1e9:.1f}")
        lines.append([*cells, *[_shown(1 / row.speed(*_OTHERS[name])) for name in others]])
    means = [_shown(geometric_mean(rows, name)) for name in others]
    lines.append(["geometric mean", *[""] * (len(head) - 1), *means])
    return markdown(lines)


def geometric_mean(rows: Sequence[Row], other: str) -> float:
    """Of Plait's times in shares of another's, where there are any; else nan."""
    speeds = [row.speed(*_OTHERS[other]) for row in rows]
    logs = [-math.log(speed) for speed in speeds if not math.isnan(speed)]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def _micro(seconds: float) -> str:
    value = 1e6 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _shown(ratio: float) -> str:
    return "" if math.isnan(ratio) else f"{ratio:.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help="all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--block-seconds", type=float, default=0.005)
    parser.add_argument("--threads", type=int, default=machine.default_threads())
    parser.add_argument("--only", default="", help="only cases whose name has this text")
    parser.add_argument("--without", default="", help="contenders to leave out: numpy,torch_last")
    parser.add_argument("--huge", action="store_true", help="working sets of 1 GB too")
    parser.add_argument(
        "--realtime", action="store_true", help="run timed blocks before all other processes"
    )
    parser.add_argument("--summary", action="store_true", help="what is reached only")
    return parser.parse_args()


def main() -> int:
    """Print a table for each group, then what is reached; 1 where something failed or differs."""
    arguments = _arguments()
    # Read by the pools of the contenders, which inherit it, when they are loaded.
    for pool in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{pool}_NUM_THREADS"] = str(arguments.threads)
    if arguments.huge:
        # Beyond the limit results are computed while a case is recorded: no graph would be left.
        os.environ["PLAIT_PENDING_MB"] = str(_HUGE_MB)
    from bench.kernel_cases import GROUPS

    unknown = set(arguments.groups) - set(GROUPS)
    if unknown:
        sys.exit(f"unknown groups: {', '.join(sorted(unknown))}; known: {', '.join(GROUPS)}")
    groups = arguments.groups or list(GROUPS)
    left_out = arguments.without.split(",")
    known = [name for name in CONTENDERS if name not in left_out]
    wanted = {group: contenders_of(group, known) for group in groups}
    measured: dict[str, list[Row]] = {}
    block = (arguments.block_seconds, arguments.realtime)
    named = {name for names in wanted.values() for name in names}
    with contenders([name for name in known if name in named], arguments.threads) as talk:
        for group in groups:
            rows = measured[group] = []
            theirs = {name: talk[name] for name in wanted[group]}
            for number, case in enumerate(GROUPS[group](arguments.huge)):
                if arguments.only in case.name:
                    place = (group, number, arguments.huge)
                    rows.append(measure(case.name, theirs, place, arguments.rounds, block))
            if not arguments.summary:
                print(f"\n{table(group, rows)}", flush=True)
    _close(measured, arguments.threads)
    return int(any(row.trouble for rows in measured.values() for row in rows))


def _close(measured: dict[str, list[Row]], threads: int) -> None:
    """Print what all groups came to."""
    print("\n| least times, geometric mean | plait / torch | plait / numpy | plait / copyto |")
    print("| --- | --- | --- | --- |")
    for group, rows in measured.items():
        means = [_shown(geometric_mean(rows, name)) for name in _OTHERS]
        print(f"| {group} | {' | '.join(means)} |")
    print(f"\n{summary(measured)}\n")
    for group, rows in measured.items():
        for row in rows:
            if row.trouble:
                print(f"{group}, {row.name}: {row.trouble}")
    print(f"{time.strftime('%Y-%m-%d')}; {machine.describe(threads)}")
    print(f"python -m bench.kernels {shlex.join(sys.argv[1:])}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
