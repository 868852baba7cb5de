"""Small models and the optimizers that train them: the same weights and data in every framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

STEPS = 50
#: LBFGS on the transformer goes along a plateau where the last bits of differences of gradients
#: decide on the way: PyTorch and Plait agree to 1e-12 up to step 30, and then part.
STEPS_ON_A_PLATEAU = 25

#: Every optimizer of `torch.optim` with its options, by a label. Of float options only those that
#: change the formula are varied.
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.05}),
    "SGD momentum": ("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.1, "weight_decay": 1e-2}),
    "SGD nesterov": ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "foreach": True}),
    "SGD maximize": ("SGD", {"lr": 1e-3, "momentum": 0.5, "maximize": True, "fused": True}),
    "Adam": ("Adam", {"lr": 1e-2}),
    "Adam amsgrad": ("Adam", {"lr": 1e-2, "amsgrad": True, "weight_decay": 1e-2, "fused": True}),
    "Adam maximize": ("Adam", {"lr": 1e-3, "betas": (0.8, 0.95), "maximize": True}),
    "AdamW": ("AdamW", {"lr": 1e-2, "weight_decay": 0.1, "foreach": True}),
    "AdamW amsgrad": ("AdamW", {"lr": 1e-2, "amsgrad": True, "eps": 1e-6}),
    "Adamax": ("Adamax", {"lr": 1e-2, "weight_decay": 1e-2}),
    "NAdam": ("NAdam", {"lr": 1e-2}),
    "NAdam decoupled": (
        "NAdam", {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True}
    ),
    "RAdam": ("RAdam", {"lr": 1e-2}),
    "RAdam decoupled": (
        "RAdam", {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True}
    ),
    "RMSprop": ("RMSprop", {"lr": 1e-3}),
    "RMSprop centered": (
        "RMSprop", {"lr": 1e-3, "centered": True, "momentum": 0.5, "weight_decay": 1e-2}
    ),
    "Adagrad": (
        "Adagrad", {"lr": 1e-2, "lr_decay": 1e-2, "initial_accumulator_value": 0.1}
    ),
    "Adadelta": ("Adadelta", {"lr": 1.0, "rho": 0.8, "weight_decay": 1e-2}),
    "Adafactor": ("Adafactor", {"lr": 1e-2, "weight_decay": 1e-2}),
    "ASGD": ("ASGD", {"lr": 1e-2, "t0": 10, "weight_decay": 1e-2}),
    "Rprop": ("Rprop", {"lr": 1e-3, "etas": (0.6, 1.1)}),
    "LBFGS": ("LBFGS", {"lr": 0.05, "max_iter": 3, "history_size": 5}),
    "LBFGS strong_wolfe": (
        "LBFGS", {"lr": 0.5, "max_iter": 2, "line_search_fn": "strong_wolfe"}
    ),
    "Muon": ("Muon", {"lr": 1e-3, "weight_decay": 1e-2}),
    "SparseAdam": ("SparseAdam", {"lr": 1e-2}),
}  # fmt: skip


class _Part:
    """A model, and what its loss is computed from."""

    def __init__(self, model: Any, loss: Callable[[Any], Any]) -> None:
        self.model, self.loss = model, loss


def _given(t: Any, kind: str, rng: np.random.Generator, *shape: int) -> Any:
    return t.from_numpy(rng.standard_normal(shape).astype(kind))


# No model has a parameter that the loss does not depend on, such as a bias before a norm or that of
# attention's keys: its gradient would be rounding alone, which some rules blow up to whole steps.


def _cnn(t: Any, kind: str, rng: np.random.Generator) -> _Part:
    nn = t.nn
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False),
        nn.BatchNorm2d(2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    x, y = _given(t, kind, rng, 5, 1, 4, 4), t.from_numpy(rng.integers(0, 3, 5))
    return _Part(model, lambda model: nn.functional.cross_entropy(model(x), y))


def _lstm(t: Any, kind: str, rng: np.random.Generator) -> _Part:
    model = t.nn.ModuleList([t.nn.LSTM(3, 4, batch_first=True), t.nn.Linear(4, 1)])
    x, y = _given(t, kind, rng, 3, 4, 3), _given(t, kind, rng, 3, 1)
    return _Part(model, lambda model: t.nn.functional.mse_loss(model[1](model[0](x)[0][:, -1]), y))


def _transformer(t: Any, kind: str, rng: np.random.Generator) -> _Part:
    layer = t.nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True, bias=False)
    x, y = _given(t, kind, rng, 2, 3, 4), _given(t, kind, rng, 2, 3, 4)
    return _Part(layer, lambda model: t.nn.functional.mse_loss(model(x), y))


def _table(t: Any, kind: str, rng: np.random.Generator) -> _Part:
    table = t.nn.Embedding(6, 3, sparse=True)
    rows, y = t.from_numpy(rng.integers(0, 6, (2, 3))), _given(t, kind, rng, 2, 3, 3)
    return _Part(table, lambda model: t.nn.functional.mse_loss(model(rows), y))


MODELS = {"cnn": _cnn, "lstm": _lstm, "transformer": _transformer}


def made(t: Any, model: str, rule: str, kind: str) -> tuple[_Part, Any]:
    """(a model with fixed weights, its optimizer).

    SparseAdam trains a table of embeddings; Muon the matrices of a model, all that it takes.
    """
    rng = np.random.default_rng(11)
    name, options = RULES[rule]
    part = (_table if name == "SparseAdam" else MODELS[model])(t, kind, rng)
    part.model.to(getattr(t, kind))
    parameters = list(part.model.parameters())
    with t.no_grad():
        for parameter in parameters:
            value = 0.5 * rng.standard_normal(tuple(parameter.shape))
            parameter.copy_(t.from_numpy(value.astype(kind)))
    if name == "Muon":
        parameters = [parameter for parameter in parameters if parameter.ndim == 2]
    return part, getattr(t.optim, name)(parameters, **options)


def fifty_steps(t: Any, model: str, rule: str) -> Any:
    """[losses, parameters and buffers] of a training in float64."""
    part, optimizer = made(t, model, rule, "float64")
    losses = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = part.loss(part.model)
        loss.backward()
        return loss

    plateau = model == "transformer" and rule.startswith("LBFGS")
    for _ in range(STEPS_ON_A_PLATEAU if plateau else STEPS):
        losses.append(_step(optimizer, closure).item())
    return [losses, list(part.model.state_dict().values())]


def _step(optimizer: Any, closure: Callable[[], Any]) -> Any:
    if type(optimizer).__name__ == "LBFGS":
        return optimizer.step(closure)
    loss = closure()
    optimizer.step()
    return loss


#: State that no optimizer makes negative: means of squares, sums of them, largest ones, sizes.
_SIZES = ("sq", "square", "sum", "acc_delta", "norm", "inf", "var", "step_size")


def one_step(t: Any, model: str, rule: str, seed: int) -> Any:
    """The changes that one step in float32 makes from a state like one amidst a training."""
    part, optimizer = made(t, model, rule, "float32")
    part.loss(part.model).backward()
    optimizer.step()
    rng = np.random.default_rng(seed)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    with t.no_grad():
        for parameter in parameters:
            parameter.copy_(_given(t, "float32", rng, *parameter.shape) * 0.5)
            for key, held in optimizer.state[parameter].items():
                if key in ("step", "eta", "mu", "mu_product") or not hasattr(held, "copy_"):
                    continue
                value = _given(t, "float32", rng, *held.shape) * 0.1
                if any(word in key for word in _SIZES):
                    value = value.abs() + 0.1  # above the squares of the means
                held.copy_(value)
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer.zero_grad()
    part.loss(part.model).backward()
    optimizer.step()
    return [parameter.detach() - old for parameter, old in zip(parameters, before)]
