"""Ctrl-C in a loop that runs in the native driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: An endless loop. With a handler of its own, the first two interrupts are only counted.
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

if sys.argv[1] == "own":
    signal.signal(signal.SIGINT, counted)

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


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT as POSIX does")
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
