"""Scaled dot-product attention."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.dtypes import result_type

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import name_of


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(query key^T * scale + bias) value, each (batch, length, heads, size).

    The heads of key and value may be fewer, by a whole factor. Attention always goes by blocks,
    whatever `flash_attention` asks for. mask: true where a key is seen;
    bias: added; both (batch, heads, queries, keys) or broadcast to it.
    """
    query, key, value = (convert_to_tensor(x) for x in (query, key, value))
    if query.ndim != 4:
        raise ValueError(
            f"`dot_product_attention` only supports 4D inputs. Received: query.shape="
            f"{tuple(query.shape)}, key.shape={tuple(key.shape)}, value.shape={tuple(value.shape)}."
        )
    if attn_logits_soft_cap is not None:
        raise NotImplementedError("attn_logits_soft_cap is not supported with the plait backend.")
    dtype = to_plait_dtype(result_type(name_of(query), name_of(key), name_of(value), float))
    query, key, value = (x.to(dtype).movedim(2, 1) for x in (query, key, value))
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (torch.repeat_interleave(x, groups, 1) for x in (key, value))
    added = _added(bias, mask, is_causal, query, key)
    plain_causal = is_causal and added is None
    made = F.scaled_dot_product_attention(
        query, key, value, added, is_causal=plain_causal, scale=scale
    )
    return made.movedim(1, 2)


def _added(bias: Any, mask: Any, is_causal: bool, query: Any, key: Any) -> Any:
    """What is added to the products, or None. A row with no key sees all of them alike."""
    if bias is None and mask is None:
        return None
    added = None if bias is None else convert_to_tensor(bias).to(query.dtype)
    seen = None if mask is None else convert_to_tensor(mask).to(torch.bool)
    if is_causal:
        rows, columns = query.shape[2], key.shape[2]
        below = torch.tril(torch.ones(rows, columns, dtype=torch.bool))
        seen = below if seen is None else seen & below
    if seen is not None:
        least = 0.7 * torch.finfo(query.dtype).min
        hidden = torch.where(seen, 0.0, least).to(query.dtype)
        added = hidden if added is None else torch.where(seen, added, least).to(query.dtype)
    return added
