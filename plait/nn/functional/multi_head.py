"""Multi-head attention as a function of its weights (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._functions.creation import zeros
from plait._functions.joining import cat
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.nn.functional.activation import softmax
from plait.nn.functional.attention import scaled_dot_product_attention
from plait.nn.functional.dropout import dropout
from plait.nn.functional.linear import linear
from plait.nn.functional.padding import pad


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attend, in `num_heads` subspaces; see `nn.MultiheadAttention` for shapes and masks.

    query (L, N, E), key (S, N, K), value (S, N, V), or without N. static_k, static_v: keys and
    values (N * heads, S, E / heads) in place of the projected ones. Gives the output and the
    weights, or None for them.
    """
    if is_causal and attn_mask is None:
        raise error(RuntimeError, "Need attn_mask if specifying the is_causal hint.")
    batched = query.ndim == 3
    _check_shapes(query, key, value, embed_dim_to_check, num_heads)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        weights = [None] * 3 if in_proj_weight is None else list(in_proj_weight.chunk(3))
    projected = _projected((query, key, value), weights, in_proj_bias)
    length, batch, _ = query.shape
    mask = merged_masks(key_padding_mask, attn_mask, batch, num_heads, projected[0].dtype)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must both be set, or neither")
    biases = None if bias_k is None or bias_v is None else (bias_k, bias_v)
    q, k, v, added = _in_heads(projected, num_heads, biases, (static_k, static_v), add_zero_attn)
    if mask is not None and added:
        mask = pad(mask, (0, added))
    context, weighing = _attended(q, k, v, mask, dropout_p if training else 0.0, need_weights)
    joined = context.permute(2, 0, 1, 3).reshape(length, batch, embed_dim_to_check)
    output = linear(joined, out_proj_weight, out_proj_bias)
    if weighing is not None and average_attn_weights:
        weighing = weighing.mean(dim=1)  # (N, L, S)
    if batched:
        return output, weighing
    return output.squeeze(1), None if weighing is None else weighing.squeeze(0)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, width: int, heads: int) -> None:
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            "MultiheadAttention: query, key and value must all be 2-D (unbatched) or 3-D "
            f"(batched), got {query.ndim}-D, {key.ndim}-D and {value.ndim}-D tensors"
        )
    if query.shape[-1] != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.shape[-1]}"
        )
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    if key.shape[:-1] != value.shape[:-1]:
        raise AssertionError(
            f"key's sequence and batch dims {list(key.shape[:-1])} do not match value's "
            f"{list(value.shape[:-1])}"
        )


def _projected(
    inputs: tuple[Tensor, ...], weights: Sequence[Tensor | None], bias: Tensor | None
) -> list[Tensor]:
    """The three inputs in the heads' joint space, each (length, N, E)."""
    biases = [None] * 3 if bias is None else list(bias.chunk(3))
    made = []
    for x, weight, part in zip(inputs, weights, biases):
        if weight is None:
            raise AssertionError("a projection weight is None: see use_separate_proj_weight")
        made.append(linear(x, weight, part))
    return made


def _in_heads(
    projected: list[Tensor],
    heads: int,
    biases: tuple[Tensor, Tensor] | None,
    fixed: tuple[Tensor | None, Tensor | None],
    zero: bool,
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Queries, keys and values (N, heads, length, width); how many keys were added."""
    batch = projected[0].shape[1]
    width = projected[0].shape[2] // heads
    if biases is not None:
        if fixed != (None, None):
            raise AssertionError("bias cannot be added to static key or value.")
        for place, bias in zip((1, 2), biases):
            projected[place] = cat([projected[place], bias.repeat(1, batch, 1)])
    found = [x.reshape(x.shape[0], batch, heads, width).permute(1, 2, 0, 3) for x in projected]
    for place, given in zip((1, 2), fixed):
        if given is None:
            continue
        if given.shape[0] != batch * heads or given.shape[2] != width:
            raise AssertionError(
                f"expecting static keys and values ({batch * heads}, S, {width}), but got "
                f"{list(given.shape)}"
            )
        found[place] = given.reshape(batch, heads, given.shape[1], width)
    q, k, v = found
    if zero:
        nothing = q.new_zeros((batch, heads, 1, width))
        k, v = cat([k, nothing], dim=2), cat([v, nothing], dim=2)
    return q, k, v, int(biases is not None) + int(zero)


def _attended(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """The weighted values (N, heads, L, width), and the weights where they are wanted."""
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, p), None
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    weights = softmax(scores if mask is None else scores + mask, dim=-1)
    weights = dropout(weights, p=p) if p > 0.0 else weights
    return weights @ v, weights


def merged_masks(
    padding: Tensor | None, attention: Tensor | None, batch: int, heads: int, dtype: Any
) -> Tensor | None:
    """Both masks as one that is added to the scores: (N or 1, heads or 1, L or 1, S)."""
    merged = None
    if attention is not None:
        scores = _additive("attn_mask", attention, dtype)
        leading = (batch, heads) if scores.ndim == 3 else (1, 1)
        merged = scores.reshape(*leading, *scores.shape[-2:])
    if padding is not None:
        keys = _additive("key_padding_mask", padding, dtype).reshape(batch, 1, 1, -1)
        merged = keys if merged is None else merged + keys
    return merged


def _additive(name: str, mask: Tensor, dtype: Any) -> Tensor:
    """A boolean mask (True is left out) as 0 and -inf; a floating mask as it is."""
    if mask.dtype is dtypes.bool_:
        return zeros(tuple(mask.shape), dtype=dtype).masked_fill(mask, float("-inf"))
    if mask.dtype.kind != "f":
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask.to(dtype)
