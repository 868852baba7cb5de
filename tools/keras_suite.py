"""Keras' own tests on Plait: `python tools/keras_suite.py --backend plait`.

The wheel of Keras ships its tests; this runs them from the installed package, suite by suite, and
compares what passes with the stored list of what passes on the JAX backend (`jax_passes.txt.gz`
beside the tests of the backend). With `--backend jax --store` it makes that list. What fails is
written to `--failures`, one test a line with the last line of its error.

Options: `--suites a,b` some suites, `--slice N` every N-th test by a hash of its name, `--jobs J`
processes, `--write-page FILE` the table as a page of the documentation.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PASSES = ROOT / "tests" / "keras" / "jax_passes.txt.gz"

#: Suite: what of `keras/src` belongs to it. The first that fits takes a file.
SUITES = {
    "ops/numpy": ("ops/numpy_test.py",),
    "ops/nn": ("ops/nn_test.py",),
    "other ops": ("ops/", "random/", "backend/common/"),
    "layers": ("layers/",),
    "trainers and models": ("trainers/", "models/"),
    "optimizers": ("optimizers/",),
    "losses and metrics": ("losses/", "metrics/"),
    "saving": ("saving/",),
    "the rest": ("",),
}
#: Not run: other backends' own tests, models whose weights are fetched, what needs other packages.
LEFT_OUT = ("applications/", "backend/jax/", "backend/tensorflow/", "backend/torch/")


def suite_of(path: str) -> str:
    """The suite of a test by its path below `keras/src`."""
    return next(name for name, starts in SUITES.items() if path.startswith(starts))


# -- as a plugin of pytest, in the process that runs the tests ----------------------------------


def pytest_configure(config) -> None:
    for mark in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{mark}: of Keras' own tests")
    # Some tests import a mark from the root of Keras' repository, which the wheel has not.
    sys.modules.setdefault("conftest", SimpleNamespace(skip_if_backend=_skip_if_backend))
    if os.environ.get("KERAS_BACKEND") == "plait":
        import keras_suite_amend

        keras_suite_amend.install()


def _skip_if_backend(name: str, reason: str) -> Any:
    import pytest

    return pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == name, reason=reason)


def pytest_collection_modifyitems(config, items) -> None:
    every = int(os.environ.get("KERAS_SUITE_SLICE", "1"))
    if every > 1:
        items[:] = [item for item in items if _hash(_name(item.nodeid)) % every == 0]


def pytest_runtest_logreport(report) -> None:
    log = os.environ.get("KERAS_SUITE_LOG")
    if log is None or (report.when != "call" and report.passed):
        return
    outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
    reason = ""
    if outcome == "skipped" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
    if outcome == "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = (crash.message if crash else str(report.longrepr)).strip()
        reason = " ".join(reason.split())[:300]
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps([_name(report.nodeid), outcome, reason]) + "\n")


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _name(nodeid: str) -> str:
    return nodeid.split("keras/src/")[-1]


# -- as a script ----------------------------------------------------------------------------------


def main() -> int:
    options = _options()
    package = importlib.util.find_spec("keras")
    if package is None or not package.submodule_search_locations:
        print("keras is not installed: pip install 'plait[keras]'", file=sys.stderr)
        return 2
    source = Path(package.submodule_search_locations[0]) / "src"
    outcomes = _run(source, options)
    if options.store:
        _store(outcomes)
    wanted = _stored()
    table = _table(outcomes, wanted, options)
    print(table)
    if options.write_page:
        Path(options.write_page).write_text(table, encoding="utf-8")
    missing = {
        name: outcomes[name][1] or outcomes[name][0]
        for name in sorted(outcomes)
        if (name in wanted or not wanted) and outcomes[name][0] not in ("passed", "xfailed")
    }
    if options.failures:
        lines = [f"{name}\t{reason}\n" for name, reason in missing.items()]
        Path(options.failures).write_text("".join(lines), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="plait")
    parser.add_argument("--suites", default="", help="names, by commas; all if left out")
    parser.add_argument("--paths", default="", help="paths below keras/src instead of suites")
    parser.add_argument("--match", default="", help="names of tests, as pytest's -k")
    parser.add_argument("--slice", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--failures", default="")
    parser.add_argument("--write-page", default="")
    return parser.parse_args()


def _run(source: Path, options: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each test."""
    suites = [s for s in options.suites.split(",") if s] or list(SUITES)
    paths = [p for p in options.paths.split(",") if p]
    files = [str(p.relative_to(source)) for p in sorted(source.rglob("*_test.py"))]
    files = [
        f
        for f in files
        if not f.startswith(LEFT_OUT)
        and (f in paths or any(f.startswith(p) for p in paths) if paths else suite_of(f) in suites)
    ]
    outcomes: dict[str, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {
            # What an outer pytest says of itself is not for this one.
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            "KERAS_BACKEND": options.backend,
            "KERAS_SUITE_LOG": str(log),
            "KERAS_SUITE_SLICE": str(options.slice),
            "KERAS_HOME": folder,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "keras_suite",
            "-p",
            "no:cacheprovider",
        ]
        settings = Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\n", encoding="utf-8")
        command += ["--rootdir", str(source.parent.parent), "-c", str(settings)]
        command += ["--import-mode=prepend", "--tb=short"]
        command += ["--continue-on-collection-errors", "--no-header", "-W", "ignore"]
        if options.match:
            command += ["-k", options.match]
        if options.jobs:
            command += ["-n", str(options.jobs)]
        out = subprocess.run(
            [*command, *[str(source / f) for f in files]],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(out.stdout[-1500:])
        if not log.exists():
            raise SystemExit(f"no test was run:\n{out.stdout}")
        for line in log.read_text(encoding="utf-8").splitlines():
            name, outcome, reason = json.loads(line)
            if outcomes.get(name, ("passed", ""))[0] != "failed":
                outcomes[name] = (outcome, reason)
    return outcomes


def _store(outcomes: dict[str, tuple[str, str]]) -> None:
    """Enter what passes; what was not run stays as it was."""
    passed = {name for name, (outcome, _) in outcomes.items() if outcome == "passed"}
    passed |= {name for name in _stored() if name not in outcomes}
    PASSES.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(PASSES, "wb", mtime=0) as file:
        file.write("\n".join(sorted(passed)).encode())


def _stored() -> set[str]:
    if not PASSES.exists():
        return set()
    return set(gzip.decompress(PASSES.read_bytes()).decode().splitlines())


def _table(
    outcomes: dict[str, tuple[str, str]], wanted: set[str], options: argparse.Namespace
) -> str:
    """The table by suite: what passes of what passes on JAX. Files that cannot be imported here
    (they need TensorFlow, say, or Grain) do not count, and are told below."""
    every = options.slice
    rows = [
        "| suite | passes on JAX | run here | pass here | share of run | of all | all failures |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    counts: dict[str, Counter[str]] = {name: Counter() for name in SUITES}
    imported = {_file_of(name) for name in outcomes}
    for name, (outcome, _) in outcomes.items():
        counts[suite_of(name)][outcome] += 1
    for suite, count in counts.items():
        if not count:
            continue
        of = [n for n in wanted if suite_of(n) == suite and (every == 1 or _hash(n) % every == 0)]
        of = [n for n in of if _file_of(n) in imported and (not options.paths or n in outcomes)]
        held = sum(outcomes.get(n, ("", ""))[0] == "passed" for n in of)
        # Keras skips by the backend's name: sparse tensors, say, are made for two backends only.
        run = [n for n in of if outcomes.get(n, ("", ""))[0] != "skipped"]
        of_run = f"{held / len(run):.1%}" if run else "-"
        of_all = f"{held / len(of):.1%}" if of else "-"
        rows.append(
            f"| {suite} | {len(of)} | {len(run)} | {held} | {of_run} | {of_all} "
            f"| {count['failed']} |"
        )
    chosen = [s for s in options.suites.split(",") if s] or list(SUITES)
    absent = [n for n in wanted if suite_of(n) in chosen and _file_of(n) not in imported]
    if absent and not options.paths and every == 1:
        files = len({_file_of(n) for n in absent})
        rows.append(
            f"\nNot run: {len(absent)} tests of {files} files that cannot be imported here."
        )
    return "\n".join(rows) + "\n"


def _file_of(name: str) -> str:
    return name.split("::")[0]


if __name__ == "__main__":
    sys.exit(main())
