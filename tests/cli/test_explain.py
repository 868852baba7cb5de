"""`plait explain`: the script runs as with `plait run`, and the report follows, however it ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """\
import sys
import torch
x = torch.ones(8, 16)
y = torch.softmax(torch.relu(x @ torch.ones(16, 4)), -1)
print(sys.argv[1:], round(y.sum().item()))
"""


def explain(folder, text, *arguments):
    (folder / "script.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLAIT_CACHE_DIR": str(folder / "cache")}
    environment.pop("PLAIT_ALIASES", None)
    command = [sys.executable, "-m", "plait", "explain", "script.py", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_programs_and_the_time_of_their_kernels_are_listed(tmp_path):
    done = explain(tmp_path, SCRIPT, "--epochs", "3")
    assert (done.stderr, done.returncode) == ("", 0)
    first, *report = done.stdout.splitlines()
    assert first == "['--epochs', '3'] 8"
    assert report[0].startswith("program 1: ")
    text = "\n".join(report)
    for part in ("expand", "split_reductions", "gemm 8x4", "kernels: ", " compiled, 0 loaded"):
        assert part in text
    assert "memory: arena" in text
    assert "GFLOP/s" in text
    assert "peak of one thread" in report[-1]


def test_who_runs_the_turns_of_a_loop(tmp_path):
    script = """\
import torch
from torch._higher_order_ops import scan

def native(h, x):
    return torch.tanh(h + x), h

def hosted(h, x):
    return torch.linalg.solve(x, h), h

torch.compile(lambda h, xs: scan(native, h, xs))(torch.ones(2), torch.ones(3, 2))[0].tolist()
xs = torch.eye(2).expand(3, 2, 2).clone()
torch.compile(lambda h, xs: scan(hosted, h, xs))(torch.ones(2), xs)[0].tolist()
"""
    done = explain(tmp_path, script)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "[control] scan" in done.stdout
    assert "[host] scan" in done.stdout


def test_what_further_extents_are_to_a_launch(tmp_path):
    script = """\
import numpy, torch
for n in (8, 5, 7):
    x, w = torch.tensor(numpy.ones((n, 16), "f")), torch.tensor(numpy.ones((16, 4), "f"))
    print(torch.softmax(torch.relu(x @ w), -1).sum().item())
"""
    done = explain(tmp_path, script)
    first, second, third = re.split(r"program [23]: ", done.stdout)
    assert "at run time" not in first
    lines = [line for line in second.splitlines() if line.startswith("  gemm 5x4")]
    assert [line.endswith("  at run time 5") for line in lines] == [True]
    # The third is made of the second, whose passes it does not need.
    assert [" of an earlier plan\n" in text for text in (first, second, third)] == [
        False,
        False,
        True,
    ]
    assert ["expand" in text for text in (second, third)] == [True, False]
    lines = [line for line in third.splitlines() if line.startswith("  gemm 7x4")]
    assert [line.endswith("  at run time 7") for line in lines] == [True]


def test_kernels_of_the_last_time_are_loaded(tmp_path):
    explain(tmp_path, SCRIPT)
    again = explain(tmp_path, SCRIPT)
    assert " 0 compiled, " in again.stdout


def test_report_comes_before_the_failure_of_the_script(tmp_path):
    done = explain(tmp_path, SCRIPT + "sys.exit(5)\n")
    assert done.returncode == 5
    assert "program 1: " in done.stdout


def test_script_without_tensors(tmp_path):
    done = explain(tmp_path, "print('hello')\n")
    assert done.stdout == "hello\nnothing was compiled\n"
