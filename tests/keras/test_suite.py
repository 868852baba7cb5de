"""A slice of Keras' own tests, chosen by a hash of their names, against what passes on JAX.

`python tools/keras_suite.py` runs all of them. Here, what fails must be known, with its reason, or
lack a package that the test itself asks for.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras, an extra, is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
#: One test of so many runs.
SLICE = "199"


def test_the_lists_fit_each_other() -> None:
    passes = gzip.decompress((HERE / "jax_passes.txt.gz").read_bytes()).decode().splitlines()
    known = [line.split("\t") for line in (HERE / "known_failures.tsv").read_text().splitlines()]
    assert len(passes) > 10_000
    assert all(reason for _, reason in known)
    assert {name for name, _ in known} <= set(passes)


def _has_tests() -> bool:
    """Whether the installed wheel of Keras ships its tests: that of 3.15.1 does."""
    found = importlib.util.find_spec("keras")
    assert found is not None and found.submodule_search_locations
    return any(Path(found.submodule_search_locations[0], "src", "ops").glob("*_test.py"))


@pytest.mark.skipif(not _has_tests(), reason="this wheel of Keras has no tests to run")
def test_a_slice_of_the_suite(tmp_path: Path) -> None:
    failures = tmp_path / "failures.tsv"
    command = [sys.executable, str(ROOT / "tools" / "keras_suite.py"), "--slice", SLICE]
    start = ROOT / "tests" / "keras" / "site"
    done = subprocess.run(
        [*command, "--failures", str(failures)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(start), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    known = {line.split("\t")[0] for line in (HERE / "known_failures.tsv").read_text().splitlines()}
    found = [line.split("\t") for line in failures.read_text().splitlines()]
    missing = [
        (name, reason)
        for name, reason in found
        if name not in known and not reason.startswith(("Skipped", "ModuleNotFoundError"))
    ]
    assert not missing, missing
    assert done.stdout.count("%") > 4, done.stdout[-2000:]
