"""What each operation gives inside `autocast("cpu")`: (name, function of torch, dtype's name)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def cases(torch: Any) -> Iterator[tuple[str, Callable[[], Any], str]]:
    """The cases, on tensors of the framework given."""
    F = torch.nn.functional
    x, h = torch.ones(4, 4), torch.ones(4, 4).bfloat16()
    p = h * 0.5
    wide = x.double()
    stack = torch.ones(2, 4, 4)
    image, kernel = torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3)
    classes = torch.tensor([0, 1, 2, 3])

    def lowered(name: str, call: Callable[[], Any]) -> tuple[str, Callable[[], Any], str]:
        return name, call, "bfloat16"

    def full(name: str, call: Callable[[], Any]) -> tuple[str, Callable[[], Any], str]:
        return name, call, "float32"

    yield lowered("mm", lambda: x.mm(x))
    yield lowered("matmul", lambda: x @ x)
    yield lowered("matvec", lambda: x @ x[0])
    yield lowered("mixed", lambda: h @ x)
    yield lowered("linear", lambda: F.linear(x, x, x[0]))
    yield lowered("linear of bfloat16", lambda: F.linear(h, x))
    yield lowered("bmm", lambda: torch.bmm(stack, stack))
    yield lowered("addmm", lambda: torch.addmm(x, x, x))
    yield lowered("baddbmm", lambda: torch.baddbmm(stack, stack, stack))
    yield lowered("addbmm", lambda: torch.addbmm(x, stack, stack))
    yield lowered("multi_dot", lambda: torch.linalg.multi_dot([x, x, x]))
    yield lowered("inner", lambda: torch.inner(x, x))
    yield lowered("tensordot", lambda: torch.tensordot(x, x, 1))
    yield lowered("einsum", lambda: torch.einsum("ij,jk->ik", x, x))
    yield lowered("vecdot", lambda: torch.linalg.vecdot(x, x))
    yield lowered("matrix_power", lambda: torch.linalg.matrix_power(x, 2))
    yield lowered("conv1d", lambda: F.conv1d(image[:, :, 0], kernel[..., 0]))
    yield lowered("conv2d", lambda: F.conv2d(image, kernel))
    yield lowered("conv_transpose2d", lambda: F.conv_transpose2d(image, kernel.transpose(0, 1)))
    yield lowered("attention", lambda: F.scaled_dot_product_attention(stack, stack, stack))
    yield lowered("LSTM", lambda: torch.nn.LSTM(4, 4)(stack)[0])
    yield lowered("RNN", lambda: torch.nn.RNN(4, 4)(stack)[0])
    yield lowered(
        "attention layer", lambda: torch.nn.MultiheadAttention(4, 2)(stack, stack, stack)[0]
    )
    yield full("GRU", lambda: torch.nn.GRU(4, 4)(stack)[0])
    yield full("LSTMCell", lambda: torch.nn.LSTMCell(4, 4)(x)[0])
    yield full("GRUCell", lambda: torch.nn.GRUCell(4, 4)(x))

    yield full("mv", lambda: torch.mv(x, x[0]))
    yield full("dot", lambda: torch.dot(x[0], x[0]))
    yield full("outer", lambda: torch.outer(x[0], x[0]))
    yield full("addmv", lambda: torch.addmv(x[0], x, x[0]))
    yield full("addr", lambda: torch.addr(x, x[0], x[0]))
    yield full("kron", lambda: torch.kron(x, x))
    yield full("bilinear", lambda: F.bilinear(x, x, stack[:1]))
    yield "matmul of float64", lambda: wide @ wide, "float64"
    yield "linear of float64", lambda: F.linear(wide, wide), "float64"
    yield "matmul of integers", lambda: classes @ classes, "int64"

    yield full("mse", lambda: F.mse_loss(h, h))
    yield full("cross_entropy", lambda: F.cross_entropy(h, classes))
    yield full("nll", lambda: F.nll_loss(h, classes))
    yield full("bce", lambda: F.binary_cross_entropy(p, p))
    yield full("bce with logits", lambda: F.binary_cross_entropy_with_logits(h, h))
    yield full("l1", lambda: F.l1_loss(h, h))
    yield full("smooth_l1", lambda: F.smooth_l1_loss(h, h))
    yield full("huber", lambda: F.huber_loss(h, h))
    yield full("kl_div", lambda: F.kl_div(h, h, reduction="sum"))
    yield full("poisson", lambda: F.poisson_nll_loss(h, h))
    yield full("cosine_embedding", lambda: F.cosine_embedding_loss(h, h, torch.ones(4)))
    yield full("hinge_embedding", lambda: F.hinge_embedding_loss(h, h))
    yield full("margin_ranking", lambda: F.margin_ranking_loss(h, h, h))
    yield full("triplet", lambda: F.triplet_margin_loss(h, h, h))
    yield full("soft_margin", lambda: F.soft_margin_loss(h, h))
    yield full("multi_margin", lambda: F.multi_margin_loss(h, classes))
    yield lowered("gaussian", lambda: F.gaussian_nll_loss(h, h, h))
    yield lowered("multilabel_soft_margin", lambda: F.multilabel_soft_margin_loss(h, p))
    yield full("prod", lambda: h.prod())
    yield full("trace", lambda: h.trace())
    yield full("cdist", lambda: torch.cdist(h, h))
    yield full("quantile", lambda: torch.quantile(h, 0.5))
    yield full("svdvals", lambda: torch.linalg.svdvals(h))
    yield full("inv", lambda: torch.linalg.inv(torch.eye(3).bfloat16()))
    yield full(
        "grid_sample",
        lambda: F.grid_sample(image.bfloat16(), torch.zeros(2, 2, 2, 2), align_corners=False),
    )

    yield lowered("softmax", lambda: h.softmax(-1))
    yield lowered("layer_norm", lambda: F.layer_norm(h, (4,)))
    yield lowered("layer_norm with a weight", lambda: F.layer_norm(h, (4,), x[0], x[0]))
    yield lowered(
        "batch_norm", lambda: F.batch_norm(h, x[0].clone(), x[0].clone(), x[0], x[0], True)
    )
    yield lowered("relu", lambda: h.relu())
    yield lowered("gelu", lambda: F.gelu(h))
    yield lowered("sum", lambda: h.sum())
    yield lowered("mean", lambda: h.mean())
    yield lowered("max_pool2d", lambda: F.max_pool2d(image.bfloat16(), 2))
    yield full("add", lambda: h + x)
    yield full("cat", lambda: torch.cat([h, x]))
    yield full("stack", lambda: torch.stack([h, x]))
    yield full("embedding", lambda: F.embedding(classes, x))
