"""Parametrizations that are ready for use: orthogonal, weight norm, spectral norm."""

from __future__ import annotations

from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn.modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Module
from plait.nn.utils.parametrize import register_parametrization
from plait.nn.utils.weight_norm import norm_except_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise error(ValueError, f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# -- orthogonal -----------------------------------------------------------------------------------


class _Orthogonal(Module):
    """A matrix (..., n, k) with orthonormal columns, or rows if n < k, of any matrix.

    The skew part A of the matrix gives exp(A) or Cayley's (I - A/2)^-1 (I + A/2); or its lower part
    holds Householder reflections. With `use_trivialization` the buffer `base` is a factor in
    front (Lezcano-Casado 2019), so that an assigned value becomes the base at zero A.
    """

    base: Tensor

    def __init__(self, weight: Tensor, kind: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and kind == "householder":
            raise error(
                ValueError, "The householder parametrization does not support complex tensors."
            )
        self.shape = weight.shape
        self.kind = kind
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        """The orthogonal matrix of a matrix."""
        wide = X.size(-2) < X.size(-1)
        if wide:
            X = X.mT
        Q = self._reflections(X) if self.kind == "householder" else self._of_skew(X)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    def _of_skew(self, X: Tensor) -> Tensor:
        n, k = X.size(-2), X.size(-1)
        X = X.tril()
        if n != k:
            X = plait.cat([X, X.new_zeros(*X.shape[:-2], n, n - k)], dim=-1)
        A = X - X.mH
        if self.kind == "matrix_exp":
            Q = plait.matrix_exp(A)
        else:
            identity = plait.eye(n, dtype=A.dtype, device=A.device)
            Q = plait.linalg.solve(identity - A / 2, identity + A / 2)
        return Q[..., :k] if n != k else Q

    def _reflections(self, X: Tensor) -> Tensor:
        # The reflections are below the diagonal, which holds a sign for each column.
        A = X.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
        Q = plait.linalg.householder_product(A, tau)
        return Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    @plait.no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives a matrix that is nearly `Q`; with a base, `Q` made orthogonal becomes it."""
        if Q.shape != self.shape:
            raise error(
                ValueError,
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}.",
            )
        given = Q
        wide = Q.size(-2) < Q.size(-1)
        if wide:
            Q = Q.mT
        if hasattr(self, "base"):
            self.base = _completed(Q)
            start = plait.zeros_like(given)
            start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return start
        if self.kind != "householder":
            raise error(
                NotImplementedError,
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False.",
            )
        A, tau = plait.geqrf(Q)
        signs = A.diagonal(dim1=-2, dim2=-1).sign()
        # No reflection at all, where tau is 0, is the other sign.
        A.diagonal(dim1=-2, dim2=-1).copy_(plait.where(tau == 0.0, -signs, signs))
        return A.mT if wide else A


def _completed(Q: Tensor) -> Tensor:
    """A square orthogonal matrix (..., n, n) whose first columns are those of Q (..., n, k), made
    orthogonal; the others are random."""
    n, k = Q.size(-2), Q.size(-1)
    if n == k:
        return Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
    more = plait.randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
    return _made_orthogonal(plait.cat([Q, more], dim=-1))


def _is_orthogonal(Q: Tensor) -> bool:
    n, k = Q.size(-2), Q.size(-1)
    identity = plait.eye(k, dtype=Q.dtype, device=Q.device)
    # The rounding of a product of n terms, with a margin of ten.
    return plait.allclose(Q.mH @ Q, identity, atol=10.0 * n * plait.finfo(Q.dtype).eps)


def _made_orthogonal(A: Tensor) -> Tensor:
    """The orthogonal factor of a square matrix whose triangular factor has a positive diagonal."""
    X, tau = plait.geqrf(A)
    Q = plait.linalg.householder_product(X, tau)
    return Q * X.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix of a module, or a batch of them, orthogonal (or unitary). Returns the module.

    Args:
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square
            and complex matrices, the last for others.
        use_trivialization: keep the assigned value as a base (see `_Orthogonal`).

    Raises ValueError for what is no matrix of the module, or an unknown map.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise error(
            ValueError,
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.",
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise error(
            ValueError,
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}",
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


# -- weight norm ----------------------------------------------------------------------------------


class _WeightNorm(Module):
    """A weight as its length `weight_g` along `dim` (-1: of the whole) times a direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def _norm(self, weight: Tensor) -> Tensor:
        return norm_except_dim(weight, None if self.dim == -1 else self.dim)

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """`v * g / |v|`."""
        return weight_v * (weight_g / self._norm(weight_v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction."""
        return self._norm(weight), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into length and direction (Salimans & Kingma 2016). Returns the module.

    dim: the axis that has a length each; None for one of the whole weight.
    State dicts of the older `torch.nn.utils.weight_norm` load.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for number, key in enumerate(old):
                new = f"{prefix}parametrizations.{name}.original{number}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# -- spectral norm --------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """A weight over its largest singular value, by power iteration (Miyato et al. 2018).

    The singular vectors are the buffers `_u` and `_v`, improved at each use in training mode.
    """

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise error(
                IndexError,
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but "
                f"got {dim})",
            )
        if n_power_iterations <= 0:
            raise error(
                ValueError,
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}",
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim == 1:
            return  # the norm of a vector needs no iteration
        self.n_power_iterations = n_power_iterations
        matrix = self._matrix(weight)
        for name, extent in zip(("_u", "_v"), matrix.shape):
            vector = matrix.new_empty(extent).normal_(0, 1)
            self.register_buffer(name, F.normalize(vector, dim=0, eps=eps))
        self._iterate(matrix, 15)  # from a random start: good enough for evaluation at once

    def _matrix(self, weight: Tensor) -> Tensor:
        """The weight as (extent of `dim`, rest)."""
        return weight.movedim(self.dim, 0).flatten(1)

    @plait.no_grad()
    def _iterate(self, matrix: Tensor, count: int) -> None:
        for _ in range(count):
            self._u.copy_(F.normalize(plait.mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(plait.mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """The normalised weight."""
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # Copies: a second use may improve the buffers before the first one's backward pass.
        u, v = self._u.clone(), self._v.clone()
        return weight / plait.vdot(u, plait.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value. Returns the module.

    Args:
        n_power_iterations: at each use in training mode.
        eps: added to lengths before dividing by them.
        dim: the axis of the outputs; by default 1 for transposed convolutions, else 0.

    Raises ValueError for what is no tensor of the module or no positive number of iterations,
    IndexError for an axis that the weight does not have.
    """
    weight = _tensor_of(module, name)
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, made)
