"""PyTorch's own database of optimizers as a judge: `python -m tests.parity.optim_db`.

An entry is one configuration of one optimizer, with each of the flags foreach, fused and
differentiable that it has. The same model takes steps in PyTorch and here; compared are parameters,
state, options, and gradients through differentiable steps. Then the state dict of PyTorch is loaded
here, and a copy of it there, and both go on. An entry `errors` of each optimizer has the mistakes
that must raise PyTorch's type.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from tests.parity import foreign
from tests.parity.foreign import apart, carried, message

STEPS = 10
#: What rounding makes of a few steps.
TOLERANCES = {"float32": 1e-5, "float64": 1e-11}
#: Muon's steps are computed in bfloat16, which may round another way: by 2**-8 of the steps, each
#: about its rate of 1e-3 to 2e-2.
BFLOAT16 = 2e-3
#: PyTorch computes rates in float32 from tensors: of differentiable steps and tensor rates.
FLOAT32_RATES = 1e-6


def _tolerance(name: str, options: dict[str, Any], kind: str) -> float:
    if name == "Muon":
        return BFLOAT16
    from_tensors = options.get("differentiable") or hasattr(options.get("lr"), "numel")
    return max(TOLERANCES[kind], FLOAT32_RATES) if from_tensors else TOLERANCES[kind]


def _kinds(name: str) -> list[str]:
    # LBFGS goes to the minimum in a step or two. What it does there follows from rounding, which
    # differs: in float64 it is small enough to compare.
    return ["float64"] if name == "LBFGS" else list(TOLERANCES)


def _infos() -> dict[str, Any]:
    from torch.testing._internal.common_optimizers import optim_db

    return {info.optim_cls.__name__: info for info in optim_db}


def _configurations(info: Any) -> list[Any]:
    from torch.testing._internal.common_optimizers import (
        _get_optim_inputs_including_global_cliquey_kwargs as inputs_of,
    )

    return inputs_of("cpu", None, info)


def names() -> list[str]:
    """`Optimizer:number: description` of each configuration, and `Optimizer:errors`."""
    found = []
    for name, info in _infos().items():
        for number, configuration in enumerate(_configurations(info)):
            found.append(f"{name}:{number}: {configuration.desc}")
        found.append(f"{name}:errors")
    return found


def judge(name: str) -> dict[str, Any]:
    """{"wrong": None, or what is wrong}."""
    optimizer, which, *_ = name.split(":")
    info = _infos()[optimizer]
    if which == "errors":
        return {"wrong": _judge_errors(info)}
    configuration = _configurations(info)[int(which)]
    for kind in _kinds(optimizer):
        wrong = _judge_steps(info, configuration.kwargs, kind)
        if wrong is not None:
            return {"wrong": f"{kind}: {wrong}"}
    return {"wrong": None}


class Model:
    """A small problem of one framework: parameters, and losses whose gradients they follow.

    differentiable: the parameters are made of `leaves`, so that steps can be recorded on them.
    """

    def __init__(self, framework: Any, info: Any, kind: str, differentiable: bool) -> None:
        self.framework, self.kind, self.differentiable = framework, kind, differentiable
        self.sparse = info.only_supports_sparse_grads
        # Muon takes matrices only; the others get a vector and a number as well.
        shapes = [(4, 3), (3, 5)] if info.optim_cls.__name__ == "Muon" else [(4, 3), (3,), ()]
        if self.sparse:
            shapes = [(6, 3)]
        rng = np.random.default_rng(0)
        self.leaves = [
            framework.nn.Parameter(framework.from_numpy(np.array(rng.standard_normal(s), kind)))
            for s in shapes
        ]
        self.params = [leaf.clone() for leaf in self.leaves] if differentiable else self.leaves

    def loss(self, params: list[Any], step: int) -> Any:
        """The loss of a step, the same in every framework."""
        rng = np.random.default_rng(100 + step)
        framework, total = self.framework, 0
        if self.sparse:
            index = framework.from_numpy(rng.integers(0, 6, 4))
            rows = framework.nn.functional.embedding(index, params[0], sparse=True)
            return (rows - 1).square().sum()
        for param in params:
            noise = np.array(rng.standard_normal(tuple(param.shape)), self.kind)
            total = total + (param - framework.from_numpy(noise)).square().sum()
        return total

    def walk(self, optimizer: Any, steps: range) -> None:
        """Take steps."""
        for step in steps:
            if self.differentiable:
                points = [p.detach().clone().requires_grad_() for p in self.params]
                found = self.framework.autograd.grad(self.loss(points, step), points)
                for param, gradient in zip(self.params, found):
                    param.grad = gradient
                optimizer.step()
                continue

            def closure(step: int = step) -> Any:
                optimizer.zero_grad()
                loss = self.loss(self.params, step)
                loss.backward()
                return loss

            if type(optimizer).__name__ == "LBFGS":
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()

    def slopes(self) -> list[Any]:
        """How the sum of squares of all parameters depends on the leaves, through the steps."""
        if not self.differentiable:
            return []
        total = sum(param.square().sum() for param in self.params)
        found = self.framework.autograd.grad(total, self.leaves, retain_graph=True)
        return [gradient.numpy() for gradient in found]


def _judge_steps(info: Any, options: dict[str, Any], kind: str) -> str | None:
    import torch

    import plait

    name = info.optim_cls.__name__
    tolerance = _tolerance(name, options, kind)
    differentiable = bool(options.get("differentiable"))
    # PyTorch refuses gradients through more steps than one: state is written in place.
    steps = 1 if differentiable else STEPS
    models, optimizers = [], []
    for framework in (torch, plait):
        given = copy.deepcopy(options)
        if framework is plait:
            given = carried(given, torch, plait)
        model = Model(framework, info, kind, differentiable)
        optimizer = getattr(framework.optim, name)(model.params, **given)
        model.walk(optimizer, range(steps))
        models.append(model)
        optimizers.append(optimizer)
    wrong = _compare(models, optimizers, tolerance)
    if wrong is not None:
        return wrong
    if differentiable:
        return None
    state = optimizers[0].state_dict()
    optimizers[1].load_state_dict(carried(state, torch, plait))
    optimizers[0].load_state_dict(copy.deepcopy(state))
    with plait.no_grad():
        for ours, theirs in zip(models[1].params, models[0].params):
            ours.copy_(carried(theirs.detach(), torch, plait))
    for model, optimizer in zip(models, optimizers):
        model.walk(optimizer, range(steps, 2 * steps))
    wrong = _compare(models, optimizers, tolerance)
    return None if wrong is None else f"after loading: {wrong}"


def _compare(models: list[Model], optimizers: list[Any], tolerance: float) -> str | None:
    for number, (theirs, ours) in enumerate(zip(*(model.params for model in models))):
        wrong = apart(ours.detach().numpy(), theirs.detach().numpy(), tolerance)
        if wrong is not None:
            return f"parameter {number}: {wrong}"
    for number, (theirs, ours) in enumerate(zip(*(model.slopes() for model in models))):
        wrong = apart(ours, theirs, tolerance)
        if wrong is not None:
            return f"gradient through the steps, {number}: {wrong}"
    states = [optimizer.state_dict() for optimizer in optimizers]
    return _alike(states[1], states[0], tolerance, "state dict")


def _alike(ours: Any, theirs: Any, tolerance: float, where: str) -> str | None:
    """What is unlike in two state dicts."""
    if hasattr(theirs, "detach"):
        if not hasattr(ours, "detach"):
            return f"{where}: {type(ours).__name__} for a tensor"
        wrong = apart(ours.detach().numpy(), theirs.detach().numpy(), tolerance)
        return None if wrong is None else f"{where}: {wrong}"
    if isinstance(theirs, dict):
        if list(ours) != list(theirs):
            return f"{where}: {list(ours)} for {list(theirs)}"
        pairs = [(ours[key], theirs[key], f"{where}[{key!r}]") for key in theirs]
    elif isinstance(theirs, (list, tuple)):
        if type(ours) is not type(theirs) or len(ours) != len(theirs):
            return f"{where}: {ours!r} for {theirs!r}"[:160]
        pairs = [(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(ours, theirs))]
    elif isinstance(theirs, float):
        return None if np.isclose(ours, theirs, rtol=tolerance) else f"{where}: {ours}"
    else:
        return None if ours == theirs else f"{where}: {ours!r} for {theirs!r}"
    for a, b, path in pairs:
        wrong = _alike(a, b, tolerance, path)
        if wrong is not None:
            return wrong
    return None


def _judge_errors(info: Any) -> str | None:
    """What is wrong with the first mistake that raises another type than in PyTorch."""
    import torch
    from torch.testing._internal.common_optimizers import OptimizerErrorEnum

    import plait

    name = info.optim_cls.__name__
    for number, mistake in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
        given = mistake.optimizer_error_input
        where = f"error {number} ({given.desc})"
        wanted = mistake.error_type
        params = given.params
        if params is None:
            params = [torch.nn.Parameter(torch.randn(2, 3))]
        params = carried(params, torch, plait)
        _carry_gradients(given.params, params, torch, plait)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                optimizer = getattr(plait.optim, name)(
                    params, **carried(given.kwargs, torch, plait)
                )
                if mistake.error_on is OptimizerErrorEnum.STEP_ERROR:
                    optimizer.step()
        except wanted:
            continue
        except Exception as fault:
            return f"{where}: {message(fault)} for {wanted.__name__}"
        return f"{where}: nothing raised for {wanted.__name__}"
    return None


def _carry_gradients(theirs: Any, ours: Any, torch: Any, plait: Any) -> None:
    """The gradients of a list of tensors."""
    if not isinstance(theirs, list):
        return
    for a, b in zip(theirs, ours):
        if isinstance(a, torch.Tensor) and a.grad is not None:
            b.grad = carried(a.grad, torch, plait)


if __name__ == "__main__":
    foreign.main("tests.parity.optim_db", names(), judge)
