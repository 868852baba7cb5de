"""Flags of other frameworks' kernel libraries: kept as programs set them, without effect here.

`is_available` of each says False: Plait's kernels are its own.
"""

from plait.backends import cpu, cuda, cudnn, mha, mkl, mkldnn, mps, openmp, opt_einsum, quantized

__all__ = [
    "cpu",
    "cuda",
    "cudnn",
    "mha",
    "mkl",
    "mkldnn",
    "mps",
    "openmp",
    "opt_einsum",
    "quantized",
]
