"""What the processor can do."""

from __future__ import annotations

from pathlib import Path


def get_cpu_capability() -> str:
    """AVX512, AVX2 or DEFAULT, by the flags that the kernel reports (Linux); else DEFAULT."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "DEFAULT"
    flags: set[str] = set()
    for line in text.splitlines():
        if line.startswith("flags"):
            flags = set(line.partition(":")[2].split())
            break
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        return "AVX512"
    return "AVX2" if "avx2" in flags else "DEFAULT"
