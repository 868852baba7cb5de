"""Loops do not grow: memory after 10,000 turns is what it was after 1,000, within 5 %.

Lifetime is by reference count alone, so this holds with the cyclic garbage collector off too. Each
loop runs in a process of its own and prints its resident memory at both points.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import gc
import os
import plait as torch
from plait import nn
if {collector_off}:
    gc.disable()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

torch.manual_seed(0)
data = torch.randn(64, 4)
model = nn.Linear(4, 2)
"""

TRAINING = """
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for step in range(1, 10001):
    batch = data[: 1 + step % 61]
    loss = (model(batch) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step in (1000, 10000):
        print(resident())
"""

#: Nothing is read, so nothing would ever run if what waits had no bound. The sum over all turns is
#: one growing chain of waiting nodes.
EVALUATION = """
total = torch.zeros(2)
with torch.no_grad():
    for step in range(1, 10001):
        output = model(data[: 1 + step % 61])
        total = total + output.sum(0)
        if step in (1000, 10000):
            print(resident())
"""

#: The same, but for outputs that nobody keeps and a graph for gradients that nobody asks for.
EVALUATION_WITH_GRAPH = """
for step in range(1, 10001):
    output = model(data[: 1 + step % 61]).relu()
    if step in (1000, 10000):
        print(resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
@pytest.mark.parametrize("collector_off", [False, True], ids=["gc", "no gc"])
@pytest.mark.parametrize("loop", ["TRAINING", "EVALUATION", "EVALUATION_WITH_GRAPH"])
def test_loop_does_not_grow(loop: str, collector_off: bool) -> None:
    code = PRELUDE.format(collector_off=collector_off) + globals()[loop]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("PLAIT_ALIASES", None)  # PyTorch's names are not needed here
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    early, late = map(int, done.stdout.split())
    assert late <= 1.05 * early
