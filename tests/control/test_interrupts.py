"""Ctrl-C in a loop that runs in the native driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import plait as torch
from plait.core.runtime.frame import Frame
from plait.nn import functional as F

pytestmark = pytest.mark.once  # processes of their own, for one executor
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT as POSIX does")

#: For a thread beside the one that is in a loop.
_TURNS = """
import gc
import time
from plait.core.runtime.control_frame import _CallFrame

def turns(ended=lambda: False):
    \"\"\"Whether the driver is seen to take turns: what a body carries changes places.\"\"\"
    last, changes = None, 0
    while changes < 3:  # the first may be that from a run before
        if ended():
            return False
        time.sleep(0.001)
        now = [x._now.tolist() for x in gc.get_objects() if type(x) is _CallFrame]
        changes += last is not None and now != last
        last = now
    return True
"""

#: An endless loop. With a handler of its own, the first two interrupts are only counted,
#: and the loop goes on.
_ENDLESS = (
    _TURNS
    + """
import signal
import sys
import threading
import plait as torch
from plait._higher_order_ops import while_loop

presses = []
to_be_seen = threading.Semaphore(1)

def counted(number, frame):
    presses.append(number)
    print("pressed", flush=True)
    if len(presses) == 3:
        raise KeyboardInterrupt
    to_be_seen.release()

def watch():
    while True:
        to_be_seen.acquire()
        turns()
        print("turns", flush=True)

# A shell's background job is started with the signal ignored, and so are those that it starts.
signal.signal(signal.SIGINT, counted if sys.argv[1] == "own" else signal.default_int_handler)

def loop(x, least):
    x, _ = while_loop(
        lambda x, least: x.sum() >= least,
        lambda x, least: ((x.flip(0) + 1) % 7, least + 0),
        (x, least),
    )
    return x

run = torch.compile(loop) if sys.argv[2] == "compiled" else loop
x = torch.zeros(3)
for _ in range(5):  # compiled once and for all
    run(x, torch.tensor(1.0)).numpy()
threading.Thread(target=watch, daemon=True).start()
try:
    run(x, torch.tensor(0.0)).numpy()
except KeyboardInterrupt:
    print("left", len(presses), x.tolist(), (x + 1).tolist(), flush=True)
"""
)


@posix
@pytest.mark.parametrize("way", ["plain", "compiled"])
@pytest.mark.parametrize(("handler", "presses"), [("python", 1), ("own", 3)])
def test_an_endless_loop_is_left(handler: str, presses: int, way: str) -> None:
    """And what it was given is as it was. Each press comes while turns are taken."""
    environment = {**os.environ, "PLAIT_BACKEND": "compiled", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _ENDLESS, handler, way]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(120, running.kill)
    watchdog.start()
    try:
        assert running.stdout is not None
        for _ in range(presses):
            assert running.stdout.readline() == "turns\n"
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


#: A host step, then what is dropped early, then a loop that is pressed once, and seen to take turns
#: before the handler has run and after; a longer one until it is.
_GOES_ON = (
    _TURNS
    + """
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
# Python's own part of that handler does nothing, which cannot be seen.
handled = threading.Event()
signal.signal(signal.SIGINT, lambda number, frame: handled.set())

def loop(x, turns):
    v = torch.fft.fft(x).real
    e = (v.T.contiguous() @ v) / 64
    e = torch.tanh(e.T.contiguous() @ e)
    e = torch.tanh(e.T.contiguous() @ e)
    one = torch.tensor(1)
    done = while_loop(
        lambda i, c, n: i < n, lambda i, c, n: (i + 1, c.flip(0).sin(), n + 0), (one, e, turns)
    )
    return done[1].numpy(), e.numpy()

def press(ended, went_on):
    if turns(ended.is_set):
        os.kill(os.getpid(), signal.SIGINT)
        handled.wait()
        if turns(ended.is_set):
            went_on.append(True)

x = torch.tensor(np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32))
for length in [250_000 * 4**n for n in range(6)]:
    for _ in range(2):
        want = loop(x, torch.tensor(length))
    seen.clear()
    handled.clear()
    ended, went_on = threading.Event(), []
    watcher = threading.Thread(target=press, args=(ended, went_on))
    watcher.start()
    got = loop(x, torch.tensor(length))
    ended.set()
    watcher.join()
    events.run_until_complete(asyncio.sleep(0.1))
    if went_on:
        break
same = all(np.array_equal(a, b) for a, b in zip(want, got))
print(same, seen, went_on)
"""
)


@posix
def test_a_handler_that_returns_is_called_once_and_changes_nothing() -> None:
    environment = {**os.environ, "PLAIT_BACKEND": "compiled", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _GOES_ON]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "True ['asyncio'] [True]\n", done.stderr


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
