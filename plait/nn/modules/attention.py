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
        turned = self.batch_first and query.dim() == 3
        if turned:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        separate = {
            "use_separate_proj_weight": True,
            "q_proj_weight": self.q_proj_weight,
            "k_proj_weight": self.k_proj_weight,
            "v_proj_weight": self.v_proj_weight,
        }
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            **({} if self._qkv_same_embed_dim else separate),
        )
        return output.transpose(0, 1) if turned else output, weights
