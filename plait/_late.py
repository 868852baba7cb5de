"""Methods of tensors whose families `import plait` leaves out: loaded when one is asked for."""

from __future__ import annotations

from typing import Any, NoReturn

from plait._unbuilt import TENSOR_METHODS, NotBuilt

#: The methods that `plait._functions.families.load_late` brings.
LATE_METHODS = (
    "argsort", "as_strided_scatter", "bincount", "cholesky", "cholesky_inverse", "cholesky_solve",
    "coalesce", "corrcoef", "cov", "cross", "cummax", "cummin", "cumprod", "cumprod_", "cumsum",
    "cumsum_", "dense_dim", "det", "diag", "diag_embed", "diagflat", "diagonal_scatter", "diff",
    "digamma", "digamma_", "dist", "dsplit", "erf", "erf_", "erfc", "erfc_", "erfinv", "erfinv_",
    "fill_diagonal_", "frexp", "gcd", "gcd_", "geqrf", "hash_tensor", "histc", "histogram",
    "hsplit", "i0", "i0_", "igamma", "igamma_", "igammac", "igammac_", "index_reduce",
    "index_reduce_", "indices", "inverse", "is_coalesced", "istft", "kthvalue", "lcm", "lcm_",
    "ldexp", "ldexp_", "lgamma", "lgamma_", "logaddexp2", "logcumsumexp", "logdet", "logit",
    "logit_", "lu", "lu_solve", "matrix_exp", "matrix_power", "median", "mode", "msort",
    "mvlgamma", "mvlgamma_", "nanmedian", "nanquantile", "narrow_copy", "new_empty_strided",
    "nextafter", "nextafter_", "nonzero_static", "norm", "orgqr", "ormqr", "pca_lowrank",
    "pinverse", "polygamma", "qr", "quantile", "renorm", "renorm_", "select_scatter", "sinc",
    "sinc_", "slice_scatter", "slogdet", "sort", "sparse_dim", "stft", "sum_to_size", "svd",
    "svd_lowrank", "to_dense", "to_sparse", "to_sparse_csr", "topk", "trace", "triangular_solve",
    "tril", "tril_", "triu", "triu_", "unique", "unique_consecutive", "unsafe_chunk",
    "unsafe_split", "values", "vsplit", "xlogy", "xlogy_",
)  # fmt: skip


class _Late:
    """Stands for a method until its family is loaded, which puts the method in its place.

    Not `__getattr__`: a class that has one makes every question for a name that is not there
    (NumPy asks each object for two of them) an exception and a call of Python.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, kind: type) -> Any:
        from plait._functions.families import load_late

        load_late()
        held = next(vars(c)[self.name] for c in kind.__mro__ if self.name in vars(c))
        if held is self:
            raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}")
        return getattr(kind if tensor is None else tensor, self.name)


class _Unbuilt:
    """Stands for a method of PyTorch's that Plait has not."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, kind: type) -> NoReturn:
        raise NotBuilt(f"Tensor.{self.name} is not built in Plait yet")


def stand_in(kind: type) -> None:
    """Give a class of tensors what stands for the methods that are not there."""
    for name in LATE_METHODS:
        setattr(kind, name, _Late(name))
    for name in TENSOR_METHODS:
        setattr(kind, name, _Unbuilt(name))
