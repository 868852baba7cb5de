"""`plait run`: a script sees what `python script.py` would show it, and its way of ending passes
through."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(arguments, cwd, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PLAIT_ALIASES", None)
    command = [sys.executable, "-m", "plait", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, **kwargs
    )


def script(folder, text, name="script.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_script_sees_its_arguments_path_and_name(tmp_path):
    (tmp_path / "sub").mkdir()
    script(tmp_path / "sub", "value = 7", "neighbour.py")
    script(
        tmp_path / "sub",
        "import sys, neighbour\n"
        "print(sys.argv, sys.path[0], __name__, __file__, neighbour.value)\n"
        "print(sys.modules['__main__'].__dict__ is globals(), __spec__, __package__)\n",
    )
    done = run(["run", "sub/script.py", "--epochs", "3", "--help", "--", "-x"], tmp_path)
    folder = tmp_path / "sub"
    argv = ["sub/script.py", "--epochs", "3", "--help", "--", "-x"]
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{argv} {folder} __main__ {folder / 'script.py'} 7",
        "True None None",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("statement", "status", "stderr"),
    [
        ("import sys; sys.exit(5)", 5, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no data')", 1, "no data\n"),
    ],
)
def test_system_exit_passes_through(tmp_path, statement, status, stderr):
    script(tmp_path, statement)
    done = run(["run", "script.py"], tmp_path)
    assert (done.returncode, done.stderr) == (status, stderr)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    raise ValueError('wrong')\n\nf()\n",
        "x = (1\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e\n",
        "import torch.no_such_part\n".replace("torch", "json"),
    ],
    ids=["raise", "syntax", "chained", "import"],
)
def test_traceback_is_that_of_python(tmp_path, text):
    path = script(tmp_path, text)
    ours = run(["run", "script.py"], tmp_path)
    plain = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    assert ours.stderr == plain.stderr
    assert ours.returncode == plain.returncode == 1


def test_keyboard_interrupt_ends_as_in_python(tmp_path):
    script(
        tmp_path,
        "import atexit; atexit.register(print, 'bye', flush=True)\nraise KeyboardInterrupt\n",
    )
    done = run(["run", "script.py"], tmp_path)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "bye\n"
    assert done.stderr.splitlines().count("KeyboardInterrupt") == 1
    assert "cli" not in done.stderr


def test_own_excepthook_of_the_script_is_called_once(tmp_path):
    script(
        tmp_path,
        "import sys\nsys.excepthook = lambda kind, error, tb: print('hook', kind)\n1 / 0\n",
    )
    done = run(["run", "script.py"], tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (
        "hook <class 'ZeroDivisionError'>\n",
        "",
        1,
    )


def test_missing_script(tmp_path):
    done = run(["run", "nowhere.py"], tmp_path)
    assert done.returncode == 2
    assert f"can't open file '{tmp_path / 'nowhere.py'}'" in done.stderr


def test_version_and_help(tmp_path):
    from plait.version import __version__

    assert run(["--version"], tmp_path).stdout.startswith(f"plait {__version__} ")
    assert "plait run" in run(["run", "--help"], tmp_path).stdout
    assert run([], tmp_path).returncode == 2
