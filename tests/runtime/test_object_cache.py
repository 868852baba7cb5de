"""Object code on disk: used again, and never trusted further than it deserves."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from plait.core.llvm.target import target
from plait.core.runtime import journal, kernels, object_cache
from plait.core.runtime.object_cache import Entry, Folder, entry_name
from plait.core.runtime.program import Program

from .small import horner, horner_of, vector

ROOT = Path(__file__).resolve().parents[2]

#: A process that runs two kernels and prints how many it compiled and loaded.
SCRIPT = """
import numpy as np
from plait.core.llvm.target import target
from plait.core.runtime import kernels
from plait.core.runtime.program import Program
from tests.runtime.small import horner, horner_of, vector

x, a, y = vector(9, "input"), vector(9), vector(9, "output")
program = Program([horner(a, x), horner(y, a, x)], [x], [y], target())
given = np.arange(9, dtype=np.float32)
(result,) = program.run([given])
assert (result == horner_of(horner_of(given), given)).all()
print(kernels.compiled, kernels.loaded)
"""


def start(folder: Path, script: str = SCRIPT, **flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PLAIT_CACHE_DIR": str(folder), **flags},
    )


def finish(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has compiled nothing yet, with a cache folder of its own."""
    monkeypatch.setenv("PLAIT_CACHE_DIR", str(tmp_path))
    forget(monkeypatch)
    return tmp_path


def forget(monkeypatch) -> None:
    """As a new process: nothing in memory, counters at zero, no folder open."""
    for name, value in (("_addresses", {}), ("_refused", set()), ("compiled", 0), ("loaded", 0)):
        monkeypatch.setattr(kernels, name, value)
    monkeypatch.setattr(journal, "_looked_at", set())
    object_cache._opened.cache_clear()


def run_two() -> None:
    x, a, y = vector(9, "input"), vector(9), vector(9, "output")
    program = Program([horner(a, x), horner(y, a, x)], [x], [y], target())
    given = np.arange(9, dtype=np.float32)
    np.testing.assert_array_equal(program.run([given])[0], horner_of(horner_of(given), given))


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "objects").glob("code-plait_horner*"))


def test_the_second_process_compiles_nothing(tmp_path):
    assert finish(start(tmp_path)) == "2 0"
    assert finish(start(tmp_path)) == "0 2"


def test_many_processes_at_once(tmp_path):
    for text in [finish(p) for p in [start(tmp_path) for _ in range(4)]]:
        assert sum(map(int, text.split())) == 2
    assert finish(start(tmp_path)) == "0 2"
    left = {path.name.split("-")[0] for path in (tmp_path / "objects").iterdir()}
    assert left == {"code"}


def test_corrupt_and_cut_entries_are_written_anew(fresh, monkeypatch):
    run_two()
    assert kernels.compiled == 2
    good = entries(fresh)[0].read_bytes()
    for bad in (b"", good[:-20], good[:60] + b"x" + good[61:], b"other" + good):
        for path in entries(fresh):
            path.unlink()
            path.write_bytes(bad)
        forget(monkeypatch)
        run_two()
        assert (kernels.compiled, kernels.loaded) == (2, 0)
        forget(monkeypatch)
        run_two()
        assert (kernels.compiled, kernels.loaded) == (0, 2)


def test_an_entry_that_does_not_link_is_compiled_anew(fresh, monkeypatch):
    run_two()
    names = [path.name for path in entries(fresh)]
    folder = object_cache.folder()
    assert folder is not None
    entry = folder.read(names[0])
    assert entry is not None
    folder.write(names, Entry(entry.symbols, b"\x7fELF but not really"))
    forget(monkeypatch)
    run_two()
    assert kernels.compiled == 2


def test_entries_of_other_versions_are_not_found(fresh, monkeypatch):
    run_two()
    forget(monkeypatch)
    monkeypatch.setattr(object_cache, "fingerprint", lambda target: "of another version")
    run_two()
    assert kernels.compiled == 2


def test_a_write_that_was_killed_leaves_nothing_to_read(fresh, monkeypatch):
    def dies(self: Folder, old: str, new: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            run_two()
    assert entries(fresh) == []
    forget(monkeypatch)
    run_two()
    assert kernels.compiled == 2
    folder = object_cache.folder()
    assert folder is not None
    for path in (fresh / "objects").glob("new-*"):
        os.utime(path, (0, 0))
    folder.trim(1 << 30)
    assert list((fresh / "objects").glob("new-*")) == []
    assert len(entries(fresh)) == 2


def test_the_longest_unused_go_first(fresh):
    folder = object_cache.folder()
    assert folder is not None
    for age in range(5):
        folder.write([f"code-{age}", f"code-{age}-too"], Entry(("s",), bytes(1000)))
        os.utime(fresh / "objects" / f"code-{age}", (1e9 - age, 1e9 - age))
    folder.trim(4000)
    left = {name[5] for name in folder.names()}
    assert left == {"0", "1", "2"} or left == {"0", "1"}
    assert sum(name.endswith("too") for name in folder.names()) == len(left)


@pytest.mark.parametrize("fault", ["open to others", "a link", "a file"])
def test_a_folder_that_is_not_ours_alone_is_not_used(fault, tmp_path, monkeypatch):
    place = tmp_path / "objects"
    if fault == "open to others":
        place.mkdir()
        place.chmod(0o770)
    elif fault == "a link":
        (tmp_path / "real").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "real")
    else:
        place.write_text("")
    monkeypatch.setenv("PLAIT_CACHE_DIR", str(tmp_path))
    forget(monkeypatch)
    with pytest.warns(UserWarning, match="compiled code is not kept"):
        run_two()
    assert kernels.compiled == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert object_cache.folder() is None
    assert not list((tmp_path / "real").glob("*")) if fault == "a link" else True


def test_a_folder_of_another_user_is_not_used(fresh, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="another user"):
        assert object_cache.folder() is None


def test_an_entry_that_is_a_link_is_not_read(fresh, monkeypatch):
    run_two()
    for path in entries(fresh):
        path.rename(fresh / path.name)
        path.symlink_to(fresh / path.name)
    forget(monkeypatch)
    run_two()
    assert kernels.compiled == 2


def test_no_folder_without_room(fresh, monkeypatch):
    monkeypatch.setenv("PLAIT_CACHE_MB", "0")
    run_two()
    assert not (fresh / "objects").exists()


def test_another_process_may_compile(fresh, monkeypatch):
    monkeypatch.setenv("PLAIT_COMPILE", "process")
    run_two()
    assert (kernels.compiled, len(entries(fresh))) == (2, 2)


# -- what LLVM does not survive -----------------------------------------------------------------

#: A process that dies while it compiles, as it would in an assertion of LLVM.
DYING = SCRIPT.replace(
    "from tests", "import os\nkernels.build = lambda *a, **b: os.abort()\nfrom tests", 1
)


def test_a_crash_makes_suspects_that_are_compiled_elsewhere(tmp_path):
    process = start(tmp_path, DYING)
    process.communicate(timeout=120)
    assert process.returncode < 0
    assert len(list((tmp_path / "objects").glob("journal-*"))) == 1
    assert finish(start(tmp_path)) == "2 0"
    left = {path.name.split("-")[0] for path in (tmp_path / "objects").iterdir()}
    assert left == {"code"}
    assert finish(start(tmp_path)) == "0 2"


def test_what_crashes_alone_is_refused_from_then_on(fresh, monkeypatch):
    def crashes(text, target, *, optimize=False):
        calls.append(text)
        raise kernels.CompilerCrash("signal 6")

    calls: list[str] = []
    launch = horner(vector(9, "output"), vector(9, "input"))
    folder = object_cache.folder()
    assert folder is not None
    folder.write_bytes("journal-1-1", entry_name(launch.kernel.symbol(target()), target()).encode())
    monkeypatch.setattr(kernels, "build_isolated", crashes)
    assert not kernels.is_refused(launch.kernel, target())
    for _ in range(2):
        with pytest.raises(kernels.KernelRefused, match="horner") as raised:
            kernels.addresses([launch.kernel], target())
        assert raised.value.kernels == (launch.kernel,)
        assert kernels.is_refused(launch.kernel, target())
        assert len(calls) == 1
        forget(monkeypatch)


def test_the_journal_of_a_living_process_accuses_nobody(fresh):
    folder = object_cache.folder()
    assert folder is not None
    with journal.compiling(folder, ["code-some"]):
        journal.look(folder)
        assert not journal.is_suspect(folder, "code-some")
    assert folder.names() == []


def test_code_that_llvm_rejects_is_an_error(fresh, monkeypatch):
    launch = horner(vector(9, "output"), vector(9, "input"))
    monkeypatch.setattr(kernels, "module", lambda *a: "define nonsense")
    with pytest.raises(RuntimeError, match="LLVM rejects a kernel among horner"):
        kernels.addresses([launch.kernel], target())
    assert not list((fresh / "objects").glob("journal-*"))
