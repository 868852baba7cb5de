"""Running a program with and without replay, each in a thread of its own with a tree of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.core.lazy.replay.thread import threads


def run(
    program: Callable[..., list[Any]], *args: Any, replay: bool, blocks: bool = False
) -> list[Any]:
    """What a program returns, on a thread that has recorded nothing before.

    blocks: put together from blocks from the first step on.
    """
    found: list[Any] = []
    faults: list[BaseException] = []

    def body() -> None:
        threads.matches = replay
        threads.in_blocks = threads.forced and replay
        if blocks:
            threads.keep_to_blocks()
        try:
            plait.manual_seed(7)
            found.extend(program(*args))
        except BaseException as fault:  # handed over to the caller, whatever it is
            faults.append(fault)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return found


def assert_same(
    program: Callable[..., list[Any]], *args: Any, rtol: float = 0.0, blocks: bool = False
) -> list[Any]:
    """Replay changes nothing of what a program reports, exceptions included: not one bit.

    rtol: for executors that add in another order where other values are computed in one launch.
    """
    without = run(program, *args, replay=False)
    replayed = run(program, *args, replay=True, blocks=blocks)
    assert len(without) == len(replayed)
    for number, (expected, actual) in enumerate(zip(without, replayed)):
        if isinstance(expected, (np.ndarray, float)):
            assert np.asarray(expected).dtype == np.asarray(actual).dtype, f"report {number}"
            np.testing.assert_allclose(
                actual, expected, rtol=rtol, atol=rtol, err_msg=f"report {number}"
            )
        else:
            assert repr(actual) == repr(expected), f"report {number}"  # nan is nan
    return without
