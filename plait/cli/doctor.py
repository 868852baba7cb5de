"""`plait doctor`: what Plait finds on this machine, as plain text. Looks at nothing outside it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from plait.version import TORCH_INTERFACE, __version__

# Module to import, name of the distribution, the extra of Plait that brings it.
EXTRAS = (
    ("PIL", "pillow", "vision"),
    ("soundfile", "soundfile", "audio"),
    ("matplotlib", "matplotlib", "plot"),
    ("tqdm", "tqdm", "progress"),
)
CGROUP = Path("/sys/fs/cgroup")


def report() -> str:
    """The whole report, one finding a line."""
    findings = [
        ("plait", f"{__version__} (interface of PyTorch {TORCH_INTERFACE})"),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("platform", f"{platform.system()} {platform.machine()}"),
        ("numpy", _numpy()),
        ("blas", _blas()),
        ("ml_dtypes", _version_of("ml_dtypes", "ml-dtypes")),
        ("llvmlite", _version_of("llvmlite", "llvmlite")),
        ("host cpu", _host_cpu()),
        ("cpu features", _host_features()),
        ("cores", _cores()),
    ]
    for module, distribution, extra in EXTRAS:
        found = _version_of(module, distribution)
        if found.startswith("not "):
            found += f" (pip install 'plait[{extra}]')"
        findings.append((distribution, found))
    findings.append(("cache", _cache()))
    width = max(len(name) for name, _ in findings)
    return "\n".join(f"{name:<{width}}  {finding}" for name, finding in findings)


def cgroup_cores(root: Path = CGROUP, own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPU quota of this process in cores, the least of its cgroup and all above it; None without
    a quota.

    Reads cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`, `cpu.cfs_period_us`).
    """
    quotas = []
    for folder in _own_cgroup_folders(root, own):
        quota = _quota_v2(folder / "cpu.max")
        if quota is None:
            quota = _quota_v1(folder)
        if quota is not None:
            quotas.append(quota)
    return min(quotas, default=None)


def _own_cgroup_folders(root: Path, own: Path) -> list[Path]:
    """Folders of the cgroups this process is in, each with the folders above it up to `root`."""
    folders = {root, root / "cpu"}
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return sorted(folders)
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        folders.add(folder)
        folders.update(parent for parent in folder.parents if parent.is_relative_to(base))
    return sorted(folders)


def _quota_v2(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None


def _cores() -> str:
    parts = [f"{os.cpu_count()} in the machine"]
    if hasattr(os, "sched_getaffinity"):
        parts.append(f"{len(os.sched_getaffinity(0))} by affinity")
    quota = cgroup_cores()
    parts.append("no cgroup quota" if quota is None else f"{quota:g} by cgroup quota")
    return ", ".join(parts)


def _version_of(module: str, distribution: str) -> str:
    """Version of an importable package; says so when it is missing or fails to import."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return "not installed"
        return f"not usable: it needs {error.name}, which is not installed"
    except (
        Exception
    ) as error:  # a broken binary package raises what it likes; the doctor reports it
        return f"not usable: {type(error).__name__}: {error}"
    return importlib.metadata.version(distribution)


def _numpy() -> str:
    import numpy

    return numpy.__version__


def _blas() -> str:
    import numpy

    config = numpy.show_config(mode="dicts")
    dependencies = config.get("Build Dependencies", {}) if isinstance(config, dict) else {}
    blas = dependencies.get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _host_cpu() -> str:
    try:
        return importlib.import_module("llvmlite.binding").get_host_cpu_name()
    except Exception as error:  # see _version_of
        return f"unknown: {type(error).__name__}: {error}"


def _host_features() -> str:
    try:
        features = importlib.import_module("llvmlite.binding").get_host_cpu_features()
    except Exception as error:  # see _version_of
        return f"unknown: {type(error).__name__}: {error}"
    return (
        " ".join(sorted(name for name, present in features.items() if present)) or "none reported"
    )


def _cache() -> str:
    folder = Path(os.environ.get("PLAIT_CACHE_DIR") or _default_cache())
    if not folder.exists():
        return f"{folder} (not made yet)"
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{folder} ({size / 1e6:.1f} MB)"


def _default_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "plait"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "plait"
