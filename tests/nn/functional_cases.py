"""Calls of `nn.functional`, written once and made with any module that has PyTorch's functions.

Each case: (name, call(F, *tensors), arrays). Floating arrays take gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]

_rng = np.random.default_rng(0)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Uniform float64 values."""
    return _rng.uniform(low, high, shape)


def ints(high: int, *shape: int, low: int = 0) -> np.ndarray:
    """Uniform integers."""
    return _rng.integers(low, high, shape)


def signs(*shape: int) -> np.ndarray:
    """-1.0 and 1.0."""
    return _rng.integers(0, 2, shape) * 2.0 - 1.0


def _activations() -> list[Case]:
    x = real(3, 4, low=-8, high=8)
    plain = (
        "relu relu6 elu selu celu leaky_relu gelu silu mish hardtanh hardswish hardsigmoid "
        "hardshrink softshrink tanhshrink softplus softsign sigmoid tanh logsigmoid glu rrelu"
    )
    cases: list[Case] = [
        (name, lambda F, x, name=name: getattr(F, name)(x), (x,)) for name in plain.split()
    ]
    return [
        *cases,
        ("elu alpha", lambda F, x: F.elu(x, 0.5), (x,)),
        ("celu alpha", lambda F, x: F.celu(x, 0.7), (x,)),
        ("gelu tanh", lambda F, x: F.gelu(x, approximate="tanh"), (x,)),
        ("leaky slope", lambda F, x: F.leaky_relu(x, 0.2), (x,)),
        ("softplus beta", lambda F, x: F.softplus(x, 2, 5), (x,)),
        ("threshold", lambda F, x: F.threshold(x, 0.3, 7.0), (x,)),
        ("hardtanh limits", lambda F, x: F.hardtanh(x, -0.5, 1.5), (x,)),
        ("prelu one", lambda F, x, w: F.prelu(x, w), (x, real(1))),
        ("prelu channels", lambda F, x, w: F.prelu(x, w), (real(2, 3, 4), real(3))),
        ("softmax", lambda F, x: F.softmax(x, dim=1), (x,)),
        ("log_softmax", lambda F, x: F.log_softmax(x, dim=0), (x,)),
        ("softmin", lambda F, x: F.softmin(x, dim=-1), (x,)),
        ("glu dim", lambda F, x: F.glu(x, dim=0), (real(4, 3),)),
        ("normalize", lambda F, x: F.normalize(x), (x,)),
        ("normalize p", lambda F, x: F.normalize(x, p=3.0, dim=0), (x,)),
        ("relu in place", lambda F, x: F.relu(x * 1, inplace=True), (x,)),
        ("silu in place", lambda F, x: F.silu(x * 1, inplace=True), (x,)),
    ]


def _linear() -> list[Case]:
    return [
        ("linear", lambda F, x, w, b: F.linear(x, w, b), (real(5, 3), real(4, 3), real(4))),
        ("linear 1d", lambda F, x, w: F.linear(x, w), (real(3), real(4, 3))),
        ("linear 3d", lambda F, x, w, b: F.linear(x, w, b), (real(2, 5, 3), real(4, 3), real(4))),
        ("linear vector", lambda F, x, w: F.linear(x, w), (real(2, 3), real(3))),
        (
            "bilinear",
            lambda F, a, b, w, c: F.bilinear(a, b, w, c),
            (real(2, 3, 4), real(2, 3, 5), real(6, 4, 5), real(6)),
        ),
    ]


def _conv() -> list[Case]:
    x1, x2, x3 = real(2, 4, 9), real(2, 4, 7, 6), real(1, 2, 5, 4, 5)
    w1, w2, w3 = real(6, 4, 3), real(6, 2, 3, 2), real(3, 2, 2, 3, 2)
    t2 = real(4, 3, 3, 2)
    return [
        ("conv1d", lambda F, x, w, b: F.conv1d(x, w, b, 2, 1), (x1, w1, real(6))),
        ("conv1d same", lambda F, x, w: F.conv1d(x, w, padding="same", dilation=2), (x1, w1)),
        ("conv1d same even", lambda F, x, w: F.conv1d(x, w, padding="same"), (x1, real(2, 4, 4))),
        ("conv1d unbatched", lambda F, x, w: F.conv1d(x, w, padding="valid"), (x1[0], w1)),
        (
            "conv2d groups",
            lambda F, x, w, b: F.conv2d(x, w, b, (2, 1), (1, 0), (1, 2), 2),
            (x2, w2, real(6)),
        ),
        ("conv2d unbatched", lambda F, x, w: F.conv2d(x, w, groups=2), (x2[0], w2)),
        ("conv3d", lambda F, x, w, b: F.conv3d(x, w, b, 1, 1), (x3, w3, real(3))),
        (
            "transpose1d",
            lambda F, x, w, b: F.conv_transpose1d(x, w, b, 3, 1, 2),
            (x1, real(4, 2, 3), real(2)),
        ),
        (
            "transpose2d",
            lambda F, x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1, 2),
            (x2, t2, real(6)),
        ),
        (
            "transpose2d dilated",
            lambda F, x, w: F.conv_transpose2d(x, w, None, 1, 0, 0, 1, 2),
            (x2[0], t2),
        ),
        (
            "transpose3d",
            lambda F, x, w: F.conv_transpose3d(x, w, stride=2),
            (x3, real(2, 2, 2, 2, 2)),
        ),
    ]


def _pooling() -> list[Case]:
    x1, x2, x3 = real(2, 3, 9), real(2, 3, 7, 8), real(1, 2, 5, 6, 5)
    pooled = [
        ("max1", lambda F, x: F.max_pool1d(x, 3, 2, 1), (x1,)),
        ("max1 unbatched", lambda F, x: F.max_pool1d(x, 2), (x1[0],)),
        ("max2", lambda F, x: F.max_pool2d(x, 2), (x2,)),
        ("max2 ceil", lambda F, x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), (x2,)),
        ("max2 dilation", lambda F, x: F.max_pool2d(x, (2, 3), 1, (1, 1), (2, 1)), (x2,)),
        ("max2 indices", lambda F, x: F.max_pool2d(x, 2, return_indices=True)[1], (x2,)),
        ("max3", lambda F, x: F.max_pool3d(x, 2, ceil_mode=True), (x3,)),
        ("avg1", lambda F, x: F.avg_pool1d(x, 3, 2, 1, True), (x1,)),
        ("avg2", lambda F, x: F.avg_pool2d(x, 3, 2, 1), (x2,)),
        ("avg2 ceil", lambda F, x: F.avg_pool2d(x, 3, 2, 1, True), (x2,)),
        ("avg2 ceil uncounted", lambda F, x: F.avg_pool2d(x, 3, 2, 1, True, False), (x2,)),
        ("avg2 divisor", lambda F, x: F.avg_pool2d(x, 2, divisor_override=3), (x2,)),
        ("avg3", lambda F, x: F.avg_pool3d(x, 2, 2, 1, False, False), (x3,)),
        ("lp1", lambda F, x: F.lp_pool1d(x, 2, 3), (np.abs(x1),)),
        ("lp2", lambda F, x: F.lp_pool2d(x, 3, 2, ceil_mode=True), (np.abs(x2),)),
        ("adaptive avg1", lambda F, x: F.adaptive_avg_pool1d(x, 4), (x1,)),
        ("adaptive avg2", lambda F, x: F.adaptive_avg_pool2d(x, (3, None)), (x2,)),
        ("adaptive avg2 one", lambda F, x: F.adaptive_avg_pool2d(x, 1), (x2[0],)),
        ("adaptive avg3", lambda F, x: F.adaptive_avg_pool3d(x, 2), (x3,)),
        ("adaptive max1", lambda F, x: F.adaptive_max_pool1d(x, 4), (x1,)),
        ("adaptive max2", lambda F, x: F.adaptive_max_pool2d(x, (3, 4)), (x2,)),
        (
            "adaptive max2 i",
            lambda F, x: F.adaptive_max_pool2d(x, 3, return_indices=True)[1],
            (x2,),
        ),
        ("adaptive max3", lambda F, x: F.adaptive_max_pool3d(x, 2), (x3,)),
    ]

    def unpool(F: Any, x: Any, **kwargs: Any) -> Any:
        values, places = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(values, places, 2, **kwargs)

    return [
        *pooled,
        ("unpool", unpool, (x2,)),
        ("unpool size", lambda F, x: unpool(F, x, output_size=(7, 8)), (x2,)),
        ("unfold", lambda F, x: F.unfold(x, (2, 3), 1, 1, 2), (x2,)),
        ("unfold unbatched", lambda F, x: F.unfold(x, 2), (x2[0],)),
        ("fold", lambda F, x: F.fold(x, (4, 5), (2, 3), 1, 1, 2), (real(2, 12, 9),)),
    ]


def _norms() -> list[Case]:
    x, c = real(4, 6, 5), real(6)
    var = real(6, low=0.5, high=2.0)
    return [
        (
            "batch train",
            lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
            (x, c, real(6)),
        ),
        ("batch bias", lambda F, x, b: F.batch_norm(x, None, None, None, b, True), (x, c)),
        (
            "batch eval",
            lambda F, x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b),
            (x, c, real(6), real(6), var),
        ),
        ("layer", lambda F, x, w, b: F.layer_norm(x, (5,), w, b), (x, real(5), real(5))),
        ("layer two", lambda F, x: F.layer_norm(x, (6, 5), eps=1e-3), (x,)),
        ("layer bias", lambda F, x, b: F.layer_norm(x, [5], None, b), (x, real(5))),
        ("group", lambda F, x, w, b: F.group_norm(x, 3, w, b), (x, c, real(6))),
        ("instance", lambda F, x, w, b: F.instance_norm(x, None, None, w, b), (x, c, real(6))),
        ("rms", lambda F, x, w: F.rms_norm(x, (5,), w), (x, real(5))),
        ("rms eps", lambda F, x: F.rms_norm(x, (6, 5), eps=1e-2), (x,)),
        ("local response", lambda F, x: F.local_response_norm(x, 3, 0.1, 0.6, 2.0), (x,)),
        ("local response even", lambda F, x: F.local_response_norm(x, 4, 0.1), (x,)),
    ]


def _losses() -> list[Case]:
    x, t = real(4, 5), real(4, 5)
    p, q = real(4, 5, low=0.05, high=0.95), real(4, 5, low=0.05, high=0.95)
    sign = signs(4, 5)
    pairs: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
        "mse": (lambda F, x, t, **k: F.mse_loss(x, t, **k), (x, t)),
        "l1": (lambda F, x, t, **k: F.l1_loss(x, t, **k), (x, t)),
        "smooth_l1": (lambda F, x, t, **k: F.smooth_l1_loss(x, t, beta=0.7, **k), (x, t)),
        "smooth_l1 0": (lambda F, x, t, **k: F.smooth_l1_loss(x, t, beta=0, **k), (x, t)),
        "huber": (lambda F, x, t, **k: F.huber_loss(x, t, delta=0.7, **k), (x, t)),
        "bce": (lambda F, x, t, **k: F.binary_cross_entropy(x, t, **k), (p, q)),
        "bce weight": (
            lambda F, x, t, w, **k: F.binary_cross_entropy(x, t, w.detach(), **k),
            (p, q, real(5)),
        ),
        "bce logits": (
            lambda F, x, t, **k: F.binary_cross_entropy_with_logits(x, t, **k),
            (x * 9, q),
        ),
        "bce logits weights": (
            lambda F, x, t, w, v, **k: F.binary_cross_entropy_with_logits(
                x, t, w.detach(), pos_weight=v.detach(), **k
            ),
            (x, q, real(5), real(5)),
        ),
        "kl": (lambda F, x, t, **k: F.kl_div(x, t, **k), (x, q)),
        "kl log": (lambda F, x, t, **k: F.kl_div(x, t, log_target=True, **k), (x, t)),
        "poisson": (lambda F, x, t, **k: F.poisson_nll_loss(x, t.detach(), **k), (x, q * 4)),
        "poisson full": (
            lambda F, x, t, **k: F.poisson_nll_loss(x, t.detach(), False, True, **k),
            (p, q * 4),
        ),
        "gaussian": (
            lambda F, x, t, v, **k: F.gaussian_nll_loss(x, t, v, full=True, **k),
            (x, t, q),
        ),
        "gaussian row": (
            lambda F, x, t, v, **k: F.gaussian_nll_loss(x, t, v, **k),
            (x, t, q[:, :1]),
        ),
        "cosine": (
            lambda F, a, b, s, **k: F.cosine_embedding_loss(a, b, s.detach(), 0.2, **k),
            (x, t, sign[:, 0]),
        ),
        "ranking": (
            lambda F, a, b, s, **k: F.margin_ranking_loss(a, b, s.detach(), 0.3, **k),
            (x, t, sign),
        ),
        "hinge": (lambda F, x, s, **k: F.hinge_embedding_loss(x, s.detach(), 1.2, **k), (x, sign)),
        "soft margin": (lambda F, x, s, **k: F.soft_margin_loss(x, s.detach(), **k), (x, sign)),
        "multilabel soft": (
            lambda F, x, t, w, **k: F.multilabel_soft_margin_loss(x, t.detach(), w.detach(), **k),
            (x, (sign + 1) / 2, real(5)),
        ),
        "triplet": (
            lambda F, a, p, n, **k: F.triplet_margin_loss(a, p, n, swap=True, **k),
            (x, t, real(4, 5)),
        ),
        "triplet p": (
            lambda F, a, p, n, **k: F.triplet_margin_loss(a, p, n, 2.0, p=3, **k),
            (x, t, real(4, 5)),
        ),
        "triplet function": (
            lambda F, a, p, n, **k: F.triplet_margin_with_distance_loss(
                a, p, n, distance_function=lambda u, v: 1 - F.cosine_similarity(u, v), **k
            ),
            (x, t, real(4, 5)),
        ),
        "multi margin": (
            lambda F, x, y, **k: F.multi_margin_loss(x, y, **k),
            (x, ints(5, 4)),
        ),
        "multi margin p": (
            lambda F, x, y, w, **k: F.multi_margin_loss(x, y, 2, 0.8, w.detach(), **k),
            (x, ints(5, 4), real(5, low=0.1)),
        ),
        "multilabel margin": (
            lambda F, x, y, **k: F.multilabel_margin_loss(x, y, **k),
            (x, np.array([[1, 0, -1, 3, 4], [-1] * 5, [0, 1, 2, 3, 4], [2, -1, 2, 2, 2]])),
        ),
    }
    cases: list[Case] = []
    for name, (call, arrays) in pairs.items():
        for reduction in ("none", "mean", "sum"):
            cases.append(
                (
                    f"{name} {reduction}",
                    lambda F, *xs, call=call, reduction=reduction: call(
                        F, *xs, reduction=reduction
                    ),
                    arrays,
                )
            )
    cases.append(("kl batchmean", lambda F, x, t: F.kl_div(x, t, reduction="batchmean"), (x, q)))
    return cases


def _class_losses() -> list[Case]:
    cases: list[Case] = []
    w = real(5, low=0.2, high=2.0)
    for shape, target in (
        ((4, 5), ints(5, 4)),
        ((5,), np.array(3)),
        ((2, 5, 3), ints(5, 2, 3)),
        ((2, 5, 3, 2), ints(5, 2, 3, 2)),
    ):
        for reduction in ("none", "mean", "sum"):
            for name, options in (
                ("plain", {}),
                ("ignore", {"ignore_index": 3}),
                ("weight", {"ignore_index": 1}),
            ):
                for loss in ("cross_entropy", "nll_loss"):

                    def call(F, x, y, v, loss=loss, name=name, options=options, r=reduction):
                        weight = v.detach() if name == "weight" else None
                        return getattr(F, loss)(x, y, weight, reduction=r, **options)

                    if reduction == "mean" and len(shape) == 1:
                        continue  # 0 / 0 where the one label is ignored
                    cases.append(
                        (f"{loss} {shape} {reduction} {name}", call, (real(*shape), target, w))
                    )
    x, probabilities = real(4, 5), real(4, 5, low=0.0, high=1.0)
    return [
        *cases,
        (
            "smoothing",
            lambda F, x, y, v: F.cross_entropy(x, y, v.detach(), label_smoothing=0.2),
            (x, ints(5, 4), w),
        ),
        ("probabilities", lambda F, x, p: F.cross_entropy(x, p), (x, probabilities)),
        (
            "probabilities smooth",
            lambda F, x, p, v: F.cross_entropy(x, p, v.detach(), label_smoothing=0.1),
            (x, probabilities, w),
        ),
        (
            "probabilities spatial",
            lambda F, x, p: F.cross_entropy(x, p, reduction="none"),
            (real(2, 5, 3), real(2, 5, 3, low=0.0, high=1.0)),
        ),
        ("probabilities one", lambda F, x, p: F.cross_entropy(x, p), (x[0], probabilities[0])),
        ("byte labels", lambda F, x, y: F.cross_entropy(x, y), (x, ints(5, 4).astype(np.uint8))),
    ]


def _tables() -> list[Case]:
    table = real(6, 3)
    index = np.array([[0, 2, 5], [2, 2, 1]])
    flat, offsets = np.array([0, 2, 5, 2, 2, 1, 4]), np.array([0, 2, 2, 5])
    cases: list[Case] = [
        ("embedding", lambda F, i, w: F.embedding(i, w), (index, table)),
        ("embedding int32", lambda F, i, w: F.embedding(i, w), (index.astype(np.int32), table)),
        ("embedding padding", lambda F, i, w: F.embedding(i, w, padding_idx=-4), (index, table)),
        (
            "embedding freq",
            lambda F, i, w: F.embedding(i, w, scale_grad_by_freq=True),
            (index, table),
        ),
        (
            "embedding norm",
            lambda F, i, w: F.embedding(i, w.detach(), max_norm=1.0),
            (index, table),
        ),
        ("one_hot", lambda F, i: F.one_hot(i), (index,)),
        ("one_hot n", lambda F, i: F.one_hot(i, 9), (index,)),
    ]
    for mode in ("sum", "mean", "max"):
        cases += [
            (
                f"bag {mode}",
                lambda F, i, w, o, mode=mode: F.embedding_bag(i, w, o, mode=mode),
                (flat, table, offsets),
            ),
            (
                f"bag 2d {mode}",
                lambda F, i, w, mode=mode: F.embedding_bag(i, w, mode=mode),
                (index, table),
            ),
            (
                f"bag padding {mode}",
                lambda F, i, w, o, mode=mode: F.embedding_bag(i, w, o, mode=mode, padding_idx=2),
                (flat, table, offsets),
            ),
        ]
    return [
        *cases,
        (
            "bag weights",
            lambda F, i, w, o, v: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=v),
            (flat, table, offsets, real(7)),
        ),
        (
            "bag last",
            lambda F, i, w, o: F.embedding_bag(i, w, o, include_last_offset=True),
            (flat, table, np.array([0, 3, 7])),
        ),
    ]


def _padding() -> list[Case]:
    x = real(2, 3, 4, 5)
    cases: list[Case] = [
        ("pad", lambda F, x: F.pad(x, (1, 2)), (x,)),
        ("pad value", lambda F, x: F.pad(x, (1, 2, 0, 3, 1, 0), value=1.5), (x,)),
        ("pad cut", lambda F, x: F.pad(x, (-1, 2, -1, -2)), (x,)),
        ("pad none", lambda F, x: F.pad(x, (0, 0)), (x,)),
    ]
    for mode in ("reflect", "replicate", "circular"):
        cases += [
            (f"pad {mode}", lambda F, x, mode=mode: F.pad(x, (2, 1, 1, 3), mode), (x,)),
            (f"pad {mode} 1", lambda F, x, mode=mode: F.pad(x, (2, 4), mode), (x[0, 0],))
            if mode != "circular"
            else (f"pad {mode} 1", lambda F, x: F.pad(x, (5, 4), "circular"), (x[0],)),
            (f"pad {mode} cut", lambda F, x, mode=mode: F.pad(x, (-1, 2), mode), (x[0],)),
        ]
    cases.append(
        ("pad 3", lambda F, x: F.pad(x, (1, 1, 2, 0, 1, 1), "reflect"), (real(2, 3, 4, 4, 3),))
    )
    return cases


def _vision() -> list[Case]:
    x1, x2, x3 = real(1, 2, 5), real(2, 3, 4, 5), real(1, 2, 3, 4, 3)
    cases: list[Case] = []
    for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic"):
        cases += [
            (f"size {mode}", lambda F, x, m=mode: F.interpolate(x, (7, 3), mode=m), (x2,)),
            (
                f"scale {mode}",
                lambda F, x, m=mode: F.interpolate(x, scale_factor=1.7, mode=m),
                (x2,),
            ),
            (
                f"recomputed {mode}",
                lambda F, x, m=mode: F.interpolate(
                    x, scale_factor=(1.7, 0.8), mode=m, recompute_scale_factor=True
                ),
                (x2,),
            ),
        ]
    grid = real(2, 3, 4, 2, low=-1.3, high=1.3)
    grid3 = real(1, 2, 3, 2, 3, low=-1.3, high=1.3)
    for align in (False, True):
        for mode in ("bilinear", "nearest", "bicubic"):
            for padding in ("zeros", "border", "reflection"):
                cases.append(
                    (
                        f"grid {mode} {padding} {align}",
                        lambda F, x, g, m=mode, p=padding, a=align: F.grid_sample(x, g, m, p, a),
                        (x2, grid),
                    )
                )
        cases += [
            (
                f"grid 3d {align}",
                lambda F, x, g, a=align: F.grid_sample(x, g, align_corners=a),
                (x3, grid3),
            ),
            (
                f"affine {align}",
                lambda F, t, a=align: F.affine_grid(t, (2, 1, 3, 4), a),
                (real(2, 2, 3),),
            ),
            (
                f"affine 3d {align}",
                lambda F, t, a=align: F.affine_grid(t, (1, 1, 1, 3, 4), a),
                (real(1, 3, 4),),
            ),
            (
                f"aligned {align}",
                lambda F, x, a=align: F.interpolate(x, (7, 3), mode="bilinear", align_corners=a),
                (x2,),
            ),
        ]
    return [
        *cases,
        ("linear 1d", lambda F, x: F.interpolate(x, 8, mode="linear"), (x1,)),
        ("trilinear", lambda F, x: F.interpolate(x, (4, 3, 5), mode="trilinear"), (x3,)),
        ("pixel shuffle", lambda F, x: F.pixel_shuffle(x, 2), (real(2, 8, 3, 2),)),
        ("pixel unshuffle", lambda F, x: F.pixel_unshuffle(x, 2), (real(3, 4, 6),)),
        ("channel shuffle", lambda F, x: F.channel_shuffle(x, 3), (real(2, 6, 3, 2),)),
    ]


def _attention() -> list[Case]:
    q, k, v = real(2, 4, 5, 3), real(2, 4, 6, 3), real(2, 4, 6, 2)
    mask = _rng.integers(0, 2, (5, 6)).astype(bool)
    sdpa = "scaled_dot_product_attention"
    return [
        ("sdpa", lambda F, q, k, v: getattr(F, sdpa)(q, k, v), (q, k, v)),
        ("sdpa causal", lambda F, q, k, v: getattr(F, sdpa)(q, k, v, is_causal=True), (q, k, v)),
        ("sdpa mask", lambda F, q, k, v, m: getattr(F, sdpa)(q, k, v, m), (q, k, v, mask)),
        (
            "sdpa bias",
            lambda F, q, k, v, m: getattr(F, sdpa)(q, k, v, m, scale=0.3),
            (q, k, v, real(2, 1, 5, 6)),
        ),
        (
            "sdpa heads",
            lambda F, q, k, v: getattr(F, sdpa)(q, k, v, enable_gqa=True),
            (q, k[:, :2], v[:, :2]),
        ),
        ("sdpa 2d", lambda F, q, k, v: getattr(F, sdpa)(q, k, v), (q[0, 0], k[0, 0], v[0, 0])),
    ]


def _distances() -> list[Case]:
    a, b = real(4, 5), real(4, 5)
    return [
        ("cosine similarity", lambda F, a, b: F.cosine_similarity(a, b), (a, b)),
        ("cosine similarity 0", lambda F, a, b: F.cosine_similarity(a, b, dim=0), (a, b[0])),
        ("pairwise", lambda F, a, b: F.pairwise_distance(a, b), (a, b)),
        ("pairwise 1", lambda F, a, b: F.pairwise_distance(a, b, 1.0, keepdim=True), (a, b[0])),
        ("pairwise inf", lambda F, a, b: F.pairwise_distance(a, b, float("inf")), (a, b)),
        ("pairwise 3", lambda F, a, b: F.pairwise_distance(a, b, 3.0), (a, b)),
        ("pdist", lambda F, a: F.pdist(a), (a,)),
        ("pdist 1", lambda F, a: F.pdist(a, 1.0), (a,)),
    ]


CASES: list[Case] = [
    *_activations(), *_linear(), *_conv(), *_pooling(), *_norms(), *_losses(), *_class_losses(),
    *_tables(), *_padding(), *_vision(), *_attention(), *_distances(),
]  # fmt: skip
