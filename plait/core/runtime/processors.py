"""How many processors there are for this process."""

from __future__ import annotations

import os
from pathlib import Path


def processors() -> int:
    """How many processors this process may use: by its affinity and its control group's quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = _quota()
    return max(1, allowed if quota is None else min(allowed, quota))


def _quota() -> int | None:
    """Whole processors of the control group's quota (version 2, then 1); None without one."""
    for paths in (
        ("/sys/fs/cgroup/cpu.max",),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            words = " ".join(Path(path).read_text("ascii") for path in paths).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue  # not there, or "max"
        return max(1, -(-quota // period)) if quota > 0 else None
    return None
