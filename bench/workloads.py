"""The workloads: what is computed, at which size, from which numbers. How is in `models.py`.

Takes nothing from any framework: batches and initial weights are NumPy arrays made from the
workload's seed by `RandomState`, whose stream NumPy keeps for ever (NEP 19), so that all frameworks
start from the same numbers, today and in a year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """One row of the benchmark.

    model: a function of `models.py`, called with `sizes`.
    inputs: the kind and the extents of each array of a batch, without the batch axis; a `classes:n`
        or `ids:n` kind draws integers below n, `bits` draws 0.0 or 1.0.
    loss: "cross_entropy", "mse", "bce" (with logits), "gan"; None: inference.
    bfloat16: the model runs under autocast: float32 parameters, products of bfloat16.
    tolerance: largest difference of the losses (outputs) of two frameworks, relative to the largest
        of them. Room for float32 sums of some 10^4 terms in another order (unit roundoff 6e-8),
        magnified by five updates; a learning rate that is 2 % off moves every workload by more.
    """

    name: str
    model: str
    batch: int
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    loss: str | None
    sizes: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "SGD"
    options: Mapping[str, Any] = field(default_factory=dict)
    bfloat16: bool = False
    seed: int = 0
    tolerance: float = 5e-4

    @property
    def trains(self) -> bool:
        return self.loss is not None


_MNIST = ("normal", (1, 28, 28))
_IMAGENET = ("normal", (3, 224, 224))
_GPT_MINI = {"layers": 6, "heads": 6, "width": 384, "context": 256, "vocabulary": 65}
_GPT_MINI_INPUTS = (("ids:65", (256,)), ("classes:65", (256,)))
_GPT_MINI_OPTIONS = {"lr": 3e-4, "weight_decay": 0.1}
#: Losses after five updates with products of bfloat16 (unit roundoff 4e-3, sums in float32): the
#: roundings of some thousands of products average out, and the order of sums moves some of them.
_BFLOAT16_TOLERANCE = 2e-3

WORKLOADS: dict[str, Workload] = {
    w.name: w
    for w in (
        # One step of training: forward, backward, update.
        Workload(
            "linreg",
            "dense",
            100,
            (("normal", (1,)), ("normal", (1,))),
            "mse",
            {"widths": (1, 1)},
            options={"lr": 0.1},
        ),
        Workload(
            "mlp",
            "dense",
            64,
            (("normal", (784,)), ("classes:10", ())),
            "cross_entropy",
            {"widths": (784, 128, 64, 10)},
            options={"lr": 0.1},
        ),
        Workload(
            "mlp_adam",
            "dense",
            32,
            (("normal", (784,)), ("classes:10", ())),
            "cross_entropy",
            {"widths": (784, 128, 10)},
            optimizer="Adam",
            options={"lr": 1e-3},
        ),
        Workload(
            "lenet",
            "convnet",
            32,
            (_MNIST, ("classes:10", ())),
            "cross_entropy",
            {"channels": (1, 6, 16), "widths": (400, 120, 84, 10)},
            options={"lr": 0.01, "momentum": 0.9},
        ),
        Workload(
            "keras_cnn",
            "convnet",
            128,
            (_MNIST, ("classes:10", ())),
            "cross_entropy",
            {"channels": (1, 32), "widths": (32 * 13 * 13, 128, 10)},
            optimizer="Adam",
            options={"lr": 1e-4},
        ),
        Workload(
            "lstm",
            "sequence",
            32,
            (("normal", (50, 32)), ("normal", (1,))),
            "mse",
            {"inputs": 32, "hidden": 256},
            optimizer="Adam",
            options={"lr": 1e-3},
        ),
        Workload(
            "gan",
            "gan",
            64,
            (("normal", (100,)), ("normal", (784,))),
            "gan",
            {"latent": 100, "hidden": 128, "data": 784},
            optimizer="Adam",
            options={"lr": 2e-4},
        ),
        Workload(
            "recsys",
            "recommender",
            1024,
            (("ids:100000", ()), ("ids:100000", ()), ("bits", (1,))),
            "bce",
            {"rows": 100_000, "width": 64, "hidden": 64},
            options={"lr": 5.0},
            tolerance=5e-5,  # the tables move little in five steps
        ),
        Workload(
            "resnet18_cifar",
            "resnet18",
            32,
            (("normal", (3, 32, 32)), ("classes:10", ())),
            "cross_entropy",
            {"classes": 10},
            options={"lr": 0.01, "momentum": 0.9},
            tolerance=1e-3,  # 20 batch norms divide by spreads that sums of another order shift
        ),
        Workload(
            "gpt_mini",
            "gpt",
            4,
            _GPT_MINI_INPUTS,
            "cross_entropy",
            _GPT_MINI,
            optimizer="AdamW",
            options=_GPT_MINI_OPTIONS,
        ),
        # The same under autocast.
        Workload(
            "mlp1024_bf16",
            "dense",
            512,
            (("normal", (1024,)), ("classes:1024", ())),
            "cross_entropy",
            {"widths": (1024, 1024, 1024, 1024)},
            options={"lr": 0.1},
            bfloat16=True,
            tolerance=_BFLOAT16_TOLERANCE,
        ),
        Workload(
            "gpt_mini_bf16",
            "gpt",
            4,
            _GPT_MINI_INPUTS,
            "cross_entropy",
            _GPT_MINI,
            optimizer="AdamW",
            options=_GPT_MINI_OPTIONS,
            bfloat16=True,
            tolerance=_BFLOAT16_TOLERANCE,
        ),
        # One step of inference: one forward pass whose output has been read.
        Workload(
            "mlp_infer", "dense", 1, (("normal", (784,)),), None, {"widths": (784, 128, 64, 10)}
        ),
        Workload("resnet50_infer_b1", "resnet50", 1, (_IMAGENET,), None, {"classes": 1000}),
        Workload("resnet50_infer_b8", "resnet50", 8, (_IMAGENET,), None, {"classes": 1000}),
        Workload(
            "gpt2_prefill",
            "gpt2",
            1,
            (("ids:50257", (128,)),),
            None,
            {"layers": 12, "heads": 12, "width": 768, "context": 1024, "vocabulary": 50257},
        ),
        Workload(
            "minilm_infer",
            "encoder",
            8,
            (("ids:30522", (128,)),),
            None,
            {"layers": 6, "heads": 12, "width": 384, "context": 512, "vocabulary": 30522},
        ),
    )
}


def make_batches(workload: Workload, count: int = 8) -> list[tuple[np.ndarray, ...]]:
    """Batches to walk through, each a tuple of arrays with the batch axis first.

    Several, so that no step finds its whole input in the processor's cache.
    """
    random = np.random.RandomState(workload.seed + 1)
    return [
        tuple([_draw(random, kind, (workload.batch, *shape)) for kind, shape in workload.inputs])
        for _ in range(count)
    ]


def _draw(random: np.random.RandomState, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    name, _, bound = kind.partition(":")
    if name in ("classes", "ids"):
        return random.randint(0, int(bound), shape).astype(np.int64)
    if name == "bits":
        return random.randint(0, 2, shape).astype(np.float32)
    return random.standard_normal(shape).astype(np.float32)


def initial_weights(
    workload: Workload, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Values for the parameters of a model, by name; float32.

    shapes: names and shapes as the model's `named_parameters` gives them. Matrices, kernels and
    tables get normal values of variance 1 / fan-in, scales 1, other vectors small normal values.
    """
    random = np.random.RandomState(workload.seed)
    values = {}
    for name, shape in shapes.items():
        draw = random.standard_normal(shape)
        if len(shape) > 1:
            draw *= np.prod(shape[1:]) ** -0.5
        elif name.endswith("weight"):
            draw = np.ones(shape)
        else:
            draw *= 0.01
        values[name] = draw.astype(np.float32)
    return values
