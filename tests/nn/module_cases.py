"""One row for each layer worth comparing: how it is made and what it is called with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A layer by name, its constructor's arguments, the shapes of its float inputs.

    `integers` holds integer inputs that follow the float ones, as (shape, low, high); `positive`
    keeps the float inputs inside (0.05, 0.95); the last `constants` float inputs need no gradient.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((3, 4),)
    integers: tuple[tuple[tuple[int, ...], int, int], ...] = ()
    positive: bool = False
    constants: int = 0

    @property
    def label(self) -> str:
        options = [repr(arg) for arg in self.args]
        options += [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(options)})"

    def floats(self) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        if self.positive:
            return [rng.uniform(0.05, 0.95, shape) for shape in self.shapes]
        return [rng.standard_normal(shape) for shape in self.shapes]

    def ints(self) -> list[np.ndarray]:
        rng = np.random.default_rng(1)
        return [rng.integers(low, high, shape) for shape, low, high in self.integers]


def case(
    name: str,
    *args: Any,
    x: Any = None,
    ints: Any = (),
    positive: bool = False,
    constants: int = 0,
    **kwargs: Any,
) -> Case:
    """Short form: `x` is one shape or a list of shapes."""
    shapes = ((3, 4),) if x is None else tuple(x) if isinstance(x, list) else (x,)
    return Case(name, args, kwargs, shapes, tuple(ints), positive, constants)


ELEMENTWISE = [
    case(name)
    for name in [
        "Identity",
        "ReLU",
        "ReLU6",
        "SELU",
        "SiLU",
        "Mish",
        "Hardsigmoid",
        "Hardswish",
        "Sigmoid",
        "Tanh",
        "LogSigmoid",
        "Softsign",
        "Tanhshrink",
        "ELU",
        "CELU",
        "GELU",
        "Hardshrink",
        "Softshrink",
        "LeakyReLU",
        "Softplus",
        "Hardtanh",
        "PReLU",
    ]
]

LAYERS = [
    *ELEMENTWISE,
    case("GELU", approximate="tanh"),
    case("ELU", 0.7, True),
    case("LeakyReLU", 0.2, inplace=True),
    case("ReLU", inplace=True),
    case("Threshold", 0.1, 2.0),
    case("PReLU", 4, x=(3, 4, 5)),
    case("Softplus", beta=2.0, threshold=1.0),
    case("GLU", x=(3, 6)),
    case("Softmax", dim=-1),
    case("Softmin", dim=0),
    case("LogSoftmax", dim=1),
    case("Softmax2d", x=(2, 3, 4, 5)),
    case("Linear", 4, 5),
    case("Linear", 4, 5, bias=False, x=(2, 3, 4)),
    case("Bilinear", 3, 4, 5, x=[(6, 3), (6, 4)]),
    case("Conv1d", 3, 4, 3, x=(2, 3, 9)),
    case("Conv1d", 2, 4, 4, padding="same", dilation=2, x=(2, 2, 9)),
    case("Conv2d", 3, 6, 3, stride=2, padding=1, x=(2, 3, 8, 7)),
    case("Conv2d", 4, 6, (3, 2), groups=2, bias=False, dilation=(1, 2), x=(2, 4, 8, 7)),
    case("Conv2d", 3, 4, 3, padding=1, padding_mode="reflect", x=(2, 3, 6, 6)),
    case("Conv2d", 3, 4, 3, padding="same", padding_mode="circular", x=(2, 3, 6, 6)),
    case("Conv3d", 2, 3, 2, padding="valid", x=(1, 2, 4, 5, 3)),
    case("ConvTranspose1d", 3, 2, 3, stride=2, output_padding=1, x=(2, 3, 5)),
    case("ConvTranspose2d", 4, 6, 3, stride=2, padding=1, groups=2, x=(2, 4, 5, 4)),
    case("ConvTranspose3d", 2, 3, 2, x=(1, 2, 3, 2, 3)),
    case("MaxPool1d", 2, x=(2, 3, 8)),
    case("MaxPool2d", 3, 2, 1, x=(2, 3, 7, 8)),
    case("MaxPool2d", (2, 3), dilation=2, ceil_mode=True, x=(2, 3, 9, 9)),
    case("MaxPool3d", 2, x=(1, 2, 4, 4, 4)),
    case("AvgPool1d", 3, 2, 1, x=(2, 3, 8)),
    case("AvgPool2d", 2, ceil_mode=True, count_include_pad=False, x=(2, 3, 7, 8)),
    case("AvgPool3d", 2, x=(1, 2, 4, 4, 4)),
    case("LPPool1d", 2, 3, x=(2, 3, 8)),
    case("LPPool2d", 2, 2, stride=2, x=(2, 3, 6, 6)),
    case("AdaptiveAvgPool1d", 3, x=(2, 3, 8)),
    case("AdaptiveAvgPool2d", (3, None), x=(2, 3, 7, 5)),
    case("AdaptiveAvgPool2d", 1, x=(2, 3, 7, 5)),
    case("AdaptiveMaxPool1d", 3, x=(2, 3, 8)),
    case("AdaptiveMaxPool2d", (2, 3), x=(2, 3, 7, 5)),
    case("BatchNorm1d", 4, x=(6, 4)),
    case("BatchNorm1d", 3, momentum=None, x=(4, 3, 5)),
    case("BatchNorm2d", 3, eps=1e-3, x=(4, 3, 5, 4)),
    case("BatchNorm2d", 3, affine=False, track_running_stats=False, x=(4, 3, 5, 4)),
    case("BatchNorm2d", 3, bias=False, x=(4, 3, 5, 4)),
    case("BatchNorm3d", 2, x=(2, 2, 3, 4, 3)),
    case("InstanceNorm1d", 3, x=(2, 3, 6)),
    case("InstanceNorm2d", 3, affine=True, track_running_stats=True, x=(2, 3, 5, 4)),
    case("InstanceNorm3d", 2, x=(2, 3, 4, 3)),
    case("LayerNorm", 4),
    case("LayerNorm", (3, 4), bias=False, x=(2, 3, 4)),
    case("LayerNorm", 4, elementwise_affine=False),
    case("GroupNorm", 2, 4, x=(3, 4, 5)),
    case("GroupNorm", 2, 4, affine=False, x=(3, 4, 5)),
    case("RMSNorm", 4),
    case("RMSNorm", (4,), eps=1e-5, elementwise_affine=False),
    case("LocalResponseNorm", 2, x=(2, 5, 4, 4)),
    case("Flatten", x=(2, 3, 4)),
    case("Unflatten", 1, (2, 3), x=(2, 6, 4)),
    case("ConstantPad1d", 2, 1.5, x=(2, 3, 4)),
    case("ZeroPad2d", (1, 2, 0, 1), x=(2, 3, 4, 4)),
    case("ReflectionPad1d", 2, x=(2, 3, 5)),
    case("ReflectionPad2d", (1, 2, 0, 1), x=(2, 3, 4, 4)),
    case("ReplicationPad2d", 1, x=(2, 3, 4, 4)),
    case("CircularPad2d", 1, x=(2, 3, 4, 4)),
    case("Upsample", scale_factor=2, x=(2, 3, 4, 5)),
    case("Upsample", size=(5, 7), mode="bilinear", x=(2, 3, 4, 5)),
    case("UpsamplingNearest2d", scale_factor=2, x=(2, 3, 4, 5)),
    case("UpsamplingBilinear2d", size=(5, 7), x=(2, 3, 4, 5)),
    case("PixelShuffle", 2, x=(2, 8, 3, 3)),
    case("PixelUnshuffle", 2, x=(2, 2, 6, 4)),
    case("ChannelShuffle", 2, x=(2, 4, 3, 3)),
    case("Unfold", 2, padding=1, x=(2, 3, 4, 5)),
    case("Fold", (4, 5), 2, x=(2, 12, 12)),
    case("CosineSimilarity", x=[(3, 4), (3, 4)]),
    case("PairwiseDistance", 2, x=[(3, 4), (3, 4)]),
    case("Embedding", 7, 3, padding_idx=-2, x=[], ints=[((4, 5), 0, 7)]),
    case("Embedding", 7, 3, x=[], ints=[((5,), 0, 7)]),
    case("EmbeddingBag", 7, 3, mode="sum", x=[], ints=[((4, 5), 0, 7)]),
    case("EmbeddingBag", 7, 3, x=[], ints=[((4, 5), 0, 7)]),
    case("RNN", 3, 4, x=(5, 2, 3)),
    case("RNN", 3, 4, 2, "relu", batch_first=True, x=(2, 5, 3)),
    case("GRU", 3, 4, num_layers=2, bidirectional=True, x=(5, 2, 3)),
    case("GRU", 3, 4, bias=False, x=(5, 3)),
    case("LSTM", 3, 4, x=(5, 2, 3)),
    case("LSTM", 3, 4, num_layers=2, bidirectional=True, batch_first=True, x=(2, 5, 3)),
    case("LSTM", 3, 4, proj_size=2, num_layers=2, x=(5, 2, 3)),
    case("RNNCell", 3, 4, x=(2, 3)),
    case("RNNCell", 3, 4, nonlinearity="relu", x=[(2, 3), (2, 4)]),
    case("GRUCell", 3, 4, x=[(2, 3), (2, 4)]),
    case("LSTMCell", 3, 4, x=(2, 3)),
    case("MultiheadAttention", 4, 2, x=[(3, 2, 4), (5, 2, 4), (5, 2, 4)]),
    case("MultiheadAttention", 4, 2, kdim=3, vdim=5, batch_first=True,
         x=[(2, 3, 4), (2, 5, 3), (2, 5, 5)]),
    case("MultiheadAttention", 4, 2, add_bias_kv=True, add_zero_attn=True, bias=False,
         x=[(3, 2, 4), (5, 2, 4), (5, 2, 4)]),
    case("TransformerEncoderLayer", 4, 2, 8, dropout=0.0, x=(3, 2, 4)),
    case("TransformerEncoderLayer", 4, 2, 8, dropout=0.0, norm_first=True, batch_first=True,
         activation="gelu", x=(2, 3, 4)),
    case("TransformerDecoderLayer", 4, 2, 8, dropout=0.0, x=[(3, 2, 4), (5, 2, 4)]),
    case("Transformer", 4, 2, 1, 2, 8, dropout=0.0, x=[(5, 2, 4), (3, 2, 4)]),
]  # fmt: skip

PAIR = [(3, 4), (3, 4)]
TRIPLE = [(3, 4), (3, 4), (3, 4)]

LOSSES = [
    case("L1Loss", x=PAIR),
    case("L1Loss", reduction="none", x=PAIR),
    case("MSELoss", x=PAIR),
    case("MSELoss", reduction="sum", x=PAIR),
    case("SmoothL1Loss", beta=0.5, x=PAIR),
    case("HuberLoss", delta=0.5, x=PAIR),
    case("KLDivLoss", reduction="batchmean", x=PAIR, positive=True),
    case("KLDivLoss", reduction="sum", log_target=True, x=PAIR),
    case("BCELoss", x=PAIR, positive=True),
    case("BCEWithLogitsLoss", x=PAIR),
    case("SoftMarginLoss", x=PAIR, constants=1),
    case("PoissonNLLLoss", x=PAIR, positive=True),
    case("PoissonNLLLoss", log_input=False, full=True, x=PAIR, positive=True),
    case("GaussianNLLLoss", full=True, x=TRIPLE, positive=True),
    case("HingeEmbeddingLoss", x=PAIR),
    case("MultiLabelSoftMarginLoss", x=PAIR),
    case("TripletMarginLoss", x=TRIPLE),
    case("TripletMarginLoss", swap=True, p=1, x=TRIPLE),
    case("TripletMarginWithDistanceLoss", margin=0.5, x=TRIPLE),
    case("NLLLoss", x=(3, 4), ints=[((3,), 0, 4)]),
    case("CrossEntropyLoss", x=(3, 4), ints=[((3,), 0, 4)]),
    case("CrossEntropyLoss", label_smoothing=0.1, ignore_index=1, x=(3, 4, 5),
         ints=[((3, 5), 0, 4)]),
    case("CrossEntropyLoss", x=PAIR),
    case("MultiMarginLoss", p=2, x=(3, 4), ints=[((3,), 0, 4)]),
    case("MultiLabelMarginLoss", x=(3, 4), ints=[((3, 4), 0, 4)]),
    case("CosineEmbeddingLoss", margin=0.1, x=PAIR, ints=[((3,), 1, 2)]),
    case("MarginRankingLoss", margin=0.1, x=[(3,), (3,)], ints=[((3,), 1, 2)]),
    case("AdaptiveLogSoftmaxWithLoss", 32, 20, [4, 10], x=(5, 32), ints=[((5,), 0, 20)]),
    case("AdaptiveLogSoftmaxWithLoss", 8, 9, [2], 2.0, True, x=(6, 8), ints=[((6,), 0, 9)]),
]  # fmt: skip
