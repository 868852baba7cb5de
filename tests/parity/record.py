"""Write what PyTorch gives: `python -m tests.parity.record` where PyTorch is installed.

The tests of a suite ask for what each of their cases gives; while they run here, the answers are
kept and then written to `expected/`. `python -m tests.parity.record signatures views` writes the
packs of some suites. The samples of PyTorch's database of operators are a suite of their own,
`opinfo`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.parity import opinfo_recording
from tests.parity.compare import expectations
from tests.parity.pack import FOLDER, Pack

TESTS = Path(__file__).parent.parent

#: The suites and the tests that make them.
SUITES = {
    "signatures": "parity/test_signatures.py",
    "promotion": "parity/test_promotion.py",
    "indexing": "parity/test_indexing.py",
    "views": "parity/test_views.py",
    "programs": "parity/test_programs.py",
    "modules": "parity/test_modules.py",
    "trainings": "parity/test_trainings.py",
    "schedules": "parity/test_schedules.py",
}


def recorded(suite: str) -> Pack:
    """What the cases of a suite give, asked by running its tests. Raises RuntimeError if they
    ask for nothing."""
    expectations.recording = {}
    try:
        pytest.main(["-q", "-p", "no:cacheprovider", "-n0", str(TESTS / SUITES[suite])])
        found = expectations.recording
    finally:
        expectations.recording = None
    if list(found) != [suite]:
        raise RuntimeError(f"the tests of {suite} asked for {sorted(found)}")
    return found[suite]


def main() -> None:
    """Write the packs of all suites, or of those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, "opinfo", []])
    chosen = parser.parse_args().suites or [*SUITES, "opinfo"]
    if expectations.torch is None:
        sys.exit("PyTorch is not installed: there is nothing to record")
    for suite in chosen:
        pack = opinfo_recording.recorded() if suite == "opinfo" else recorded(suite)
        pack.write(FOLDER / f"{suite}.zip")
        size = (FOLDER / f"{suite}.zip").stat().st_size
        print(f"{suite}: {len(pack.entries)} entries, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
