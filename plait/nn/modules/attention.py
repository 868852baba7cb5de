"""Multi-head attention (Vaswani et al. 2017)."""

from __future__ import annotations

from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn import init
from plait.nn.modules.linear import NonDynamicallyQuantizableLinear
from plait.nn.modules.module import Module
from plait.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of queries over keys and values, in `num_heads` projected subspaces.

    Shapes: query (L, N, E), key (S, N, K), value (S, N, V); batch first with `batch_first`; the
    axis N may be absent. Gives the output like the query and the weights (N, L, S), or (N, heads,
    L, S) without averaging, or None without `need_weights`.
    """

    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise error(
                ValueError,
                "embed_dim and num_heads must be greater than 0,"
                f" got embed_dim={embed_dim} and num_heads={num_heads} instead",
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise error(
                AssertionError,
                "embed_dim must be divisible by num_heads (MultiheadAttention received "
                f"{embed_dim} and {num_heads})",
            )
        factory = {"device": device, "dtype": dtype}
        self._make_projections(factory)
        if bias:
            self.in_proj_bias = Parameter(plait.empty(3 * embed_dim, **factory))
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **factory)
        if add_bias_kv:
            self.bias_k = Parameter(plait.empty((1, 1, embed_dim), **factory))
            self.bias_v = Parameter(plait.empty((1, 1, embed_dim), **factory))
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _make_projections(self, factory: dict[str, Any]) -> None:
        """One joint weight when queries, keys and values are of one size, else three."""
        separate = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        embed = self.embed_dim
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(plait.empty((3 * embed, embed), **factory))
            for name in separate:
                self.register_parameter(name, None)
            return
        for name, width in zip(separate, (embed, self.kdim, self.vdim)):
            self.register_parameter(name, Parameter(plait.empty((embed, width), **factory)))
        self.register_parameter("in_proj_weight", None)

    def _reset_parameters(self) -> None:
        if self._qkv_same_embed_dim:
            init.xavier_uniform_(self.in_proj_weight)
        else:
            init.xavier_uniform_(self.q_proj_weight)
            init.xavier_uniform_(self.k_proj_weight)
            init.xavier_uniform_(self.v_proj_weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("_qkv_same_embed_dim", True)  # absent from the oldest pickles
        super().__setstate__(state)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; masks are boolean (True is left out) or added to the scores.

        `key_padding_mask` (N, S), `attn_mask` (L, S) or (N * heads, L, S). `is_causal` is a hint
        that `attn_mask` is the causal mask, which must be given.
        """
        if is_causal and attn_mask is None:
            raise error(RuntimeError, "Need attn_mask if specifying the is_causal hint.")
        batched = query.dim() == 3
        self._check_shapes(query, key, value)
        if not batched:
            query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        output, weights = self._attend(query, key, value, key_padding_mask, attn_mask, need_weights)
        if weights is not None and average_attn_weights:
            weights = weights.mean(dim=1)  # (N, L, S)
        if not batched:
            return output.squeeze(1), None if weights is None else weights.squeeze(0)
        return output.transpose(0, 1) if self.batch_first else output, weights

    def _check_shapes(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        if query.dim() not in (2, 3) or key.dim() != query.dim() or value.dim() != query.dim():
            raise AssertionError(
                "MultiheadAttention: query, key and value must all be 2-D (unbatched) or 3-D "
                f"(batched), got {query.dim()}-D, {key.dim()}-D and {value.dim()}-D tensors"
            )
        if query.size(-1) != self.embed_dim:
            raise AssertionError(
                f"was expecting embedding dimension of {self.embed_dim}, but got {query.size(-1)}"
            )

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """The three inputs in the heads' joint space, each (length, N, E)."""
        if self._qkv_same_embed_dim:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        length, batch, _ = query.shape
        q, k, v = self._project(query, key, value)
        mask = self._merge_masks(key_padding_mask, attn_mask, batch, q.dtype)
        added = 0
        if self.bias_k is not None and self.bias_v is not None:
            k = plait.cat([k, self.bias_k.repeat(1, batch, 1)])
            v = plait.cat([v, self.bias_v.repeat(1, batch, 1)])
            added += 1
        heads = (batch, self.num_heads, -1, self.head_dim)
        q, k, v = (
            t.reshape(t.size(0), batch, self.num_heads, self.head_dim).permute(1, 2, 0, 3)
            for t in (q, k, v)
        )  # (N, heads, length, head_dim)
        if self.add_zero_attn:
            zeros = q.new_zeros((*heads[:2], 1, self.head_dim))
            k, v = plait.cat([k, zeros], dim=2), plait.cat([v, zeros], dim=2)
            added += 1
        if mask is not None and added:
            mask = F.pad(mask, (0, added))
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)
            weights = F.softmax(scores if mask is None else scores + mask, dim=-1)
            weights = F.dropout(weights, p=p) if p > 0.0 else weights
            context = weights @ v
        else:
            context = F.scaled_dot_product_attention(q, k, v, mask, p)
        joined = context.permute(2, 0, 1, 3).reshape(length, batch, self.embed_dim)
        return self.out_proj(joined), weights

    def _merge_masks(
        self, padding: Tensor | None, attention: Tensor | None, batch: int, dtype: Any
    ) -> Tensor | None:
        """Both masks as one that is added to the scores: (N or 1, heads or 1, L or 1, S)."""
        merged = None
        if attention is not None:
            scores = _additive(attention, dtype)
            leading = (batch, self.num_heads) if scores.dim() == 3 else (1, 1)
            merged = scores.reshape(*leading, *scores.shape[-2:])
        if padding is not None:
            keys = _additive(padding, dtype).reshape(batch, 1, 1, -1)
            merged = keys if merged is None else merged + keys
        return merged


def _additive(mask: Tensor, dtype: Any) -> Tensor:
    """A boolean mask (True is left out) as 0 and -inf; a floating mask as it is."""
    if mask.dtype != plait.bool:
        return mask.to(dtype)
    return plait.zeros(mask.shape, dtype=dtype).masked_fill(mask, float("-inf"))
