"""Aliases: one module object under two names, in the process and in its workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plait import aliasing

ROOT = Path(__file__).resolve().parents[2]


def python(tmp_path, text, *command):
    """Run `text` as a script with `command` before it (default: plain python) and return its
    output lines."""
    path = tmp_path / "main.py"
    path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PLAIT_ALIASES", None)
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def plait_run(tmp_path, text):
    return python(tmp_path, text, "-m", "plait", "run")


def test_alias_is_the_same_module_object(tmp_path):
    lines = plait_run(
        tmp_path,
        "import sys, plait\n"
        "before = plait.__spec__\n"
        "import torch, torch.version\n"
        "import plait.version\n"
        "version = plait.version\n"
        "print(torch is plait, torch.version is version, sys.modules['torch.version'] is version)\n"
        "print(torch.__name__, version.__name__, torch.__spec__.name, version.__spec__.name)\n"
        "print(plait.__spec__ is before)\n"
        "from torch.aliasing import installed\n"
        "print(installed())\n",
    )
    assert lines == [
        "True True True",
        "plait plait.version plait plait.version",
        "True",
        "{'torch': 'plait', 'torchvision': 'plait.vision', "
        "'torchaudio': 'plait.audio', 'tensorflow': 'plait.tf'}",
    ]


def test_find_spec_and_metadata(tmp_path):
    lines = plait_run(
        tmp_path,
        "import importlib.util as u, importlib.metadata as m, sys\n"
        "print(u.find_spec('torch').name, 'torch' in sys.modules)\n"
        "print(u.find_spec('torch.version').name)\n"
        "print(u.find_spec('torch.no_such_part'), u.find_spec('torchtext'))\n"
        "print(m.version('torch'), m.version('torchvision'), m.metadata('torch')['Name'])\n",
    )
    from plait.version import TORCH_INTERFACE, VISION_INTERFACE

    assert lines == [
        "torch False",
        "torch.version",
        "None None",
        f"{TORCH_INTERFACE} {VISION_INTERFACE} torch",
    ]


def test_missing_part_says_so(tmp_path):
    lines = plait_run(
        tmp_path,
        "for statement in ('import torch.no_such.part', 'from torch.no_such import x'):\n"
        "    try:\n        exec(statement)\n"
        "    except ModuleNotFoundError as error:\n        print(error, '|', error.name)\n",
    )
    assert lines == ["torch.no_such is not built in Plait yet | torch.no_such"] * 2


WORKERS = """
import multiprocessing as mp
import torch
import torch.version

def work(_):
    import sys, plait
    return sys.modules["__main__"].torch is plait, torch.version.__name__, torch is plait

if __name__ == "__main__":
    with mp.get_context("{method}").Pool(1) as pool:
        print(pool.map(work, [0]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_have_the_aliases_before_main_is_imported(tmp_path, method):
    lines = plait_run(tmp_path, WORKERS.replace("{method}", method))
    assert lines == ["[(True, 'plait.version', True)]"]


def test_spawned_worker_finds_plait_that_only_the_parents_path_names(tmp_path):
    text = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport plait.aliasing\n"
    text += "plait.aliasing.install_as('torch')\n" + WORKERS.replace("{method}", "spawn")
    path = tmp_path / "main.py"
    path.write_text(text)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PLAIT_ALIASES")}
    command = [sys.executable, str(path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.splitlines() == ["[(True, 'plait.version', True)]"], done.stderr


def test_install_from_environment(tmp_path):
    lines = python(
        tmp_path,
        "import os, plait.aliasing as a\n"
        "a.install_from_environment()\nprint(a.installed())\n"
        "os.environ['PLAIT_ALIASES'] = 'torch'\na.install_from_environment()\n"
        "import torch, plait\nprint(torch is plait, a.installed())\n",
    )
    assert lines == ["{}", "True {'torch': 'plait'}"]


def test_another_torch_already_imported(tmp_path):
    (tmp_path / "torch.py").write_text("flavour = 'other'\n")
    lines = python(
        tmp_path,
        "import torch, plait.aliasing as a\n"
        "try:\n    a.install_as('torch', 'torchvision')\n"
        "except RuntimeError as error:\n    print(error)\n"
        "import torch\nprint(torch.flavour, a.installed())\n",
    )
    assert "'torch' has been imported already" in lines[0]
    assert "plait run" in lines[0]
    assert lines[1] == "other {}"


def test_installed_package_on_disk_is_passed_over(tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('the real one was imported')\n")
    lines = plait_run(tmp_path, "import torch, plait\nprint(torch is plait)\n")
    assert lines == ["True"]


def test_unknown_name_is_refused():
    with pytest.raises(
        ValueError, match=r"no dialect for 'theano'; there are 'torch', 'torchvision'"
    ):
        aliasing.install_as("theano")
