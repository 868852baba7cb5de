"""Named results of functions that give several tensors.

A result is a tuple that also has names (`x.sort().values`), prints as PyTorch's does, and is built
from one sequence. The types are named as the functions, so `max` and `min` here are no builtins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar


class _Named(tuple):
    """A tuple with named fields. Raises TypeError unless built from one sequence of that length."""

    __slots__ = ()
    _names: ClassVar[tuple[str, ...]] = ()
    n_fields: ClassVar[int] = 0
    n_sequence_fields: ClassVar[int] = 0
    n_unnamed_fields: ClassVar[int] = 0

    def __new__(cls, items: Iterable[Any], *rest: Any) -> _Named:
        if rest or not hasattr(items, "__iter__"):
            raise TypeError("constructor requires a sequence")
        made = tuple.__new__(cls, items)
        if len(made) != cls.n_fields:
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {cls.n_fields}-sequence "
                f"({len(made)}-sequence given)"
            )
        return made

    def __repr__(self) -> str:
        fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._names, self))
        return f"torch.return_types.{type(self).__name__}(\n{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (tuple(self),))


def _field(place: int) -> Any:
    def read(self: _Named) -> Any:
        return self[place]

    return property(read)


def _named(name: str, *fields: str) -> Any:
    attributes: dict[str, Any] = {field: _field(i) for i, field in enumerate(fields)}
    attributes |= {
        "__slots__": (),
        "__module__": __name__,
        "__doc__": f"The result of `{name}`: {', '.join(fields)}.",
        "__match_args__": fields,
        "_names": fields,
        "n_fields": len(fields),
        "n_sequence_fields": len(fields),
    }
    return type(name, (_Named,), attributes)


max = _named("max", "values", "indices")
min = _named("min", "values", "indices")
sort = _named("sort", "values", "indices")
topk = _named("topk", "values", "indices")
median = _named("median", "values", "indices")
nanmedian = _named("nanmedian", "values", "indices")
mode = _named("mode", "values", "indices")
kthvalue = _named("kthvalue", "values", "indices")
cummax = _named("cummax", "values", "indices")
cummin = _named("cummin", "values", "indices")
aminmax = _named("aminmax", "min", "max")
frexp = _named("frexp", "mantissa", "exponent")
histogram = _named("histogram", "hist", "bin_edges")
histogramdd = _named("histogramdd", "hist", "bin_edges")
qr = _named("qr", "Q", "R")
svd = _named("svd", "U", "S", "V")
slogdet = _named("slogdet", "sign", "logabsdet")
geqrf = _named("geqrf", "a", "tau")
lu_unpack = _named("lu_unpack", "P", "L", "U")
triangular_solve = _named("triangular_solve", "solution", "cloned_coefficient")
linalg_cholesky_ex = _named("linalg_cholesky_ex", "L", "info")
linalg_eig = _named("linalg_eig", "eigenvalues", "eigenvectors")
linalg_eigh = _named("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_inv_ex = _named("linalg_inv_ex", "inverse", "info")
linalg_ldl_factor = _named("linalg_ldl_factor", "LD", "pivots")
linalg_ldl_factor_ex = _named("linalg_ldl_factor_ex", "LD", "pivots", "info")
linalg_lstsq = _named("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_lu = _named("linalg_lu", "P", "L", "U")
linalg_lu_factor = _named("linalg_lu_factor", "LU", "pivots")
linalg_lu_factor_ex = _named("linalg_lu_factor_ex", "LU", "pivots", "info")
linalg_qr = _named("linalg_qr", "Q", "R")
linalg_slogdet = _named("linalg_slogdet", "sign", "logabsdet")
linalg_solve_ex = _named("linalg_solve_ex", "result", "info")
linalg_svd = _named("linalg_svd", "U", "S", "Vh")
