"""`tf.linalg`."""

from plait.tf._ops.creation import eye
from plait.tf._ops.matrix import (
    adjoint,
    band_part,
    cholesky,
    cholesky_solve,
    cross,
    det,
    diag,
    diag_part,
    eigh,
    eigvalsh,
    einsum,
    expm,
    global_norm,
    inv,
    l2_normalize,
    logdet,
    lstsq,
    matmul,
    matrix_transpose,
    matvec,
    normalize,
    qr,
    set_diag,
    slogdet,
    solve,
    svd,
    tensordot,
    trace,
    triangular_solve,
)  # fmt: skip
from plait.tf._ops.reduction import norm

tensor_diag = diag
tensor_diag_part = diag_part
