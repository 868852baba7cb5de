"""`torch.__config__`: what this build is, for reports."""

from plait import version
from plait._modes import get_num_interop_threads, get_num_threads

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The build's settings as lines: no C++ compiler, no CUDA, no MKL."""
    return f"Plait {version.__version__} built with:\n  - LLVM, through llvmlite\n  - CPU only\n"


def parallel_info() -> str:
    """The numbers of threads as lines."""
    return (
        f"ATen/Parallel:\n\tat::get_num_threads() : {get_num_threads()}\n"
        f"\tat::get_num_interop_threads() : {get_num_interop_threads()}\n"
    )
