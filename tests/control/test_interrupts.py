"""Ctrl-C in a loop that runs in the native driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import plait as torch
from plait.core.runtime.frame import Frame
from plait.nn import functional as F

pytestmark = pytest.mark.once  # processes of their own, for one executor
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT as POSIX does")

#: An endless loop. With a handler of its own, the first two interrupts are only counted,
#: and the loop goes on.
_ENDLESS = """
import signal
import sys
import plait as torch
from plait._higher_order_ops import while_loop

presses = []

def counted(number, frame):
    presses.append(number)
    print("pressed", flush=True)
    if len(presses) == 3:
        raise KeyboardInterrupt

# A shell's background job is started with the signal ignored, and so are those that it starts.
signal.signal(signal.SIGINT, counted if sys.argv[1] == "own" else signal.default_int_handler)

def loop(x, least):
    x, _ = while_loop(
        lambda x, least: x.sum() >= least, lambda x, least: ((x + 1) % 7, least + 0), (x, least)
    )
    return x

run = torch.compile(loop) if sys.argv[2] == "compiled" else loop
x = torch.zeros(3)
for _ in range(5):  # compiled once and for all
    run(x, torch.tensor(1.0)).numpy()
try:
    print("begins", flush=True)
    run(x, torch.tensor(0.0)).numpy()
except KeyboardInterrupt:
    print("left", len(presses), x.tolist(), (x + 1).tolist(), flush=True)
"""


@posix
@pytest.mark.parametrize("way", ["plain", "compiled"])
@pytest.mark.parametrize(("handler", "presses"), [("python", 1), ("own", 3)])
def test_an_endless_loop_is_left(handler: str, presses: int, way: str) -> None:
    """And what it was given is as it was."""
    environment = {**os.environ, "PLAIT_BACKEND": "compiled", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _ENDLESS, handler, way]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(120, running.kill)
    watchdog.start()
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "begins\n"
        for _ in range(presses):
            time.sleep(0.3)  # by then it is in the loop; where it is not, it is left all the same
            running.send_signal(signal.SIGINT)
            if handler == "own":
                assert running.stdout.readline() == "pressed\n"
        counted = 3 if handler == "own" else 0
        left = running.stdout.readline()
        assert left == f"left {counted} [0.0, 0.0, 0.0] [1.0, 1.0, 1.0]\n"
        assert running.wait() == 0
    finally:
        watchdog.cancel()
        running.kill()


#: A host step, then what is dropped early, then a loop of some seconds, pressed once.
_GOES_ON = """
import asyncio
import os
import signal
import threading
import numpy as np
import plait as torch
from plait._higher_order_ops import while_loop

seen = []
events = asyncio.new_event_loop()
events.add_signal_handler(signal.SIGINT, lambda: seen.append("asyncio"))

def loop(x, turns):
    v = torch.fft.fft(x).real
    e = (v.T.contiguous() @ v) / 64
    e = torch.tanh(e.T.contiguous() @ e)
    e = torch.tanh(e.T.contiguous() @ e)
    one = torch.tensor(1)
    done = while_loop(
        lambda i, c, n: i < n, lambda i, c, n: (i + 1, c.sin(), n + 0), (one, e, turns)
    )
    return done[1].numpy(), e.numpy()

x = torch.tensor(np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32))
turns = torch.tensor(1_000_000)
for _ in range(2):
    want = loop(x, turns)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
got = loop(x, turns)
events.run_until_complete(asyncio.sleep(0.1))
same = all(np.array_equal(a, b) for a, b in zip(want, got))
print(same, seen)
"""


@posix
def test_a_handler_that_returns_is_called_once_and_changes_nothing() -> None:
    environment = {**os.environ, "PLAIT_BACKEND": "compiled", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _GOES_ON]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "True ['asyncio']\n", done.stderr


def test_a_fault_that_ctrl_c_came_before_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame of that run may still hold it."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_GUARD", "")
    table = torch.tensor(np.arange(12, dtype=np.float32).reshape(4, 3))
    pick = torch.compile(lambda table, index: F.embedding(index, table))

    def interrupted(frame: Frame, arrays: list[np.ndarray]) -> None:
        raise KeyboardInterrupt

    good, bad = torch.tensor([1, 3]), torch.tensor([1, 30])
    for _ in range(3):
        pick(table, good).numpy()
    with monkeypatch.context() as patched:
        patched.setattr(Frame, "explain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pick(table, bad).numpy()
    np.testing.assert_array_equal(pick(table, good).numpy(), table.numpy()[[1, 3]])
    with pytest.raises(IndexError):
        pick(table, bad).numpy()
