"""PyTorch's own database of modules as a judge: `python -m tests.parity.module_db`.

Each module's samples are made in PyTorch and here, in training and evaluation, in float32 and
float64, from the same state dict. Compared are the outputs, the gradients of a weighted sum of them
to inputs and parameters, the state dict after the call and the printed form; a copy and a pickled
module must give the same; a wrong use must raise PyTorch's type.
"""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np

from tests.parity import foreign
from tests.parity.foreign import apart, carried, message
from tests.parity.opinfo import array, inputs_of, leaves, weighted

SEED = 42
#: Of the samples of one module in one mode, so many are tried.
SAMPLES = 40
#: Relative to values of about 1: kernels add in another order.
TOLERANCES = {"float32": 2e-4, "float64": 1e-7}


def names() -> list[str]:
    """The modules of the database."""
    from torch.testing._internal.common_modules import module_db

    return [info.name for info in module_db]


def judge(name: str) -> dict[str, Any]:
    """{"wrong": None, or what is wrong with the first bad sample}."""
    import torch
    from torch.testing._internal.common_modules import module_db

    info = next(info for info in module_db if info.name == name)
    for kind in TOLERANCES:
        dtype = getattr(torch, kind)
        if dtype not in info.dtypes:
            continue
        for training in (True, False):
            torch.manual_seed(SEED)
            samples = info.module_inputs_func(
                info, device="cpu", dtype=dtype, requires_grad=True, training=training
            )
            for number, sample in enumerate(samples[:SAMPLES]):
                wrong = _tried(_judge_sample, info, sample, kind, training)
                if wrong is not None:
                    where = f"{kind} {'train' if training else 'eval'} sample {number}"
                    return {"wrong": f"{where} {sample.desc}: {wrong}"}
    return {"wrong": _tried(_judge_errors, info)}


def _tried(question: Any, *about: Any) -> str | None:
    try:
        return question(*about)
    except Exception as fault:
        return message(fault)


def _judge_sample(info: Any, sample: Any, kind: str, training: bool) -> str | None:
    import torch

    import plait

    made, call = sample.constructor_input, sample.forward_input
    dtype = getattr(torch, kind)
    torch.manual_seed(SEED)
    theirs = info.module_cls(*made.args, **made.kwargs).to(dtype).train(training)
    if info.is_lazy:
        with torch.no_grad():
            theirs(*call.args, **call.kwargs)
    ours = _resolved(info, plait)(
        *carried(made.args, torch, plait), **carried(made.kwargs, torch, plait)
    )
    ours = ours.to(getattr(plait, kind)).train(training)
    ours.load_state_dict(carried(theirs.state_dict(), torch, plait))
    if repr(ours) != repr(theirs) and not info.is_lazy:
        return f"printed as {ours!r} for {theirs!r}"[:160]
    mine = carried((call.args, call.kwargs), torch, plait)
    outputs = []
    for module, arguments, framework in (
        (theirs, (call.args, call.kwargs), torch),
        (ours, mine, plait),
    ):
        framework.manual_seed(SEED)
        outputs.append(module(*arguments[0], **arguments[1]))
    tolerance = TOLERANCES[kind]
    expected, found = outputs
    wrong = _compare(list(leaves(found)), list(leaves(expected)), tolerance)
    if wrong is not None:
        return f"output: {wrong}"
    wrong = _compare_gradients(ours, theirs, mine, (call.args, call.kwargs), outputs, tolerance)
    if wrong is not None:
        return wrong
    if list(ours.state_dict()) != list(theirs.state_dict()):
        return f"state dict: {list(ours.state_dict())} for {list(theirs.state_dict())}"
    wrong = _compare(
        list(ours.state_dict().values()), list(theirs.state_dict().values()), tolerance
    )
    if wrong is not None:
        return f"state: {wrong}"
    return _copies(ours, mine)


def _resolved(info: Any, root: Any) -> Any:
    found = root
    for part in info.name.split("."):
        found = getattr(found, part)
    return found


def _compare(found: list[Any], expected: list[Any], tolerance: float) -> str | None:
    if len(found) != len(expected):
        return f"{len(found)} results for {len(expected)}"
    for a, b in zip(found, expected):
        wrong = apart(array(a), array(b), tolerance)
        if wrong is not None:
            return wrong
    return None


def _compare_gradients(
    ours: Any, theirs: Any, mine: Any, given: Any, outputs: list[Any], tolerance: float
) -> str | None:
    import torch

    import plait

    expected, found = outputs
    total = weighted(expected, torch)
    if total is None:
        return None if weighted(found, plait) is None else "a gradient where there is none"
    wanted = [*inputs_of(*given), *theirs.parameters()]
    if not wanted:
        return None
    right = torch.autograd.grad(total, wanted, allow_unused=True)
    sources = [*inputs_of(*mine), *ours.parameters()]
    got = plait.autograd.grad(weighted(found, plait), sources, allow_unused=True)
    if len(got) != len(right):
        return f"{len(got)} gradients for {len(right)}"
    for number, (a, b) in enumerate(zip(got, right)):
        if a is None or b is None:
            if a is not b and np.any(array(b if a is None else a) != 0):
                return f"gradient {number}: missing on one side"
            continue
        size = float(b.detach().abs().max()) if b.numel() else 1.0
        wrong = apart(array(a), array(b), tolerance * max(1.0, size))
        if wrong is not None:
            return f"gradient {number}: {wrong}"
    return None


def _copies(module: Any, arguments: Any) -> str | None:
    """What is wrong with a deep copy and a pickled copy, which must compute the same."""
    import plait

    file = io.BytesIO()
    plait.save(module, file)
    file.seek(0)
    made = {
        "copy": copy.deepcopy(module),
        "pickle": plait.load(file, weights_only=False),
    }
    start = copy.deepcopy(module)
    plait.manual_seed(SEED)
    expected = list(leaves(start(*arguments[0], **arguments[1])))
    for how, one in made.items():
        plait.manual_seed(SEED)
        found = list(leaves(one(*arguments[0], **arguments[1])))
        wrong = _compare(found, expected, 0.0)
        if wrong is not None:
            return f"{how}: {wrong}"
    return None


def _judge_errors(info: Any) -> str | None:
    """What is wrong with the first mistake that raises another type than in PyTorch."""
    import torch

    import plait

    if info.module_error_inputs_func is None:
        return None
    torch.manual_seed(SEED)
    mistakes = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    for number, mistake in enumerate(mistakes):
        made = mistake.module_error_input.constructor_input
        call = mistake.module_error_input.forward_input
        try:
            module = _resolved(info, plait)(
                *carried(made.args, torch, plait), **carried(made.kwargs, torch, plait)
            )
            if call is None:
                return f"error {number}: nothing raised for {mistake.error_type.__name__}"
            result = module(*carried(call.args, torch, plait), **carried(call.kwargs, torch, plait))
            [array(leaf) for leaf in leaves(result)]
        except mistake.error_type:
            continue
        except Exception as fault:
            return f"error {number}: {message(fault)} for {mistake.error_type.__name__}"
        return f"error {number}: nothing raised for {mistake.error_type.__name__}"
    return None


if __name__ == "__main__":
    foreign.main("tests.parity.module_db", names(), judge)
