"""Programs that train: optimizers, rates, precision, checkpoints of activations."""

from __future__ import annotations

from typing import Any


def _problem(torch: Any) -> Any:
    w = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64))
    return w, lambda: ((w @ w.T - torch.eye(2, dtype=torch.float64)) ** 2).sum()


def _walk(torch: Any, make: Any, steps: int = 10) -> Any:
    w, loss = _problem(torch)
    optimizer = make([w])
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return [losses, w, [sorted(group) for group in optimizer.param_groups]]


def optimizers(torch: Any) -> Any:
    return [
        _walk(torch, lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        _walk(torch, lambda p: torch.optim.Adam(p, lr=0.01)),
        _walk(torch, lambda p: torch.optim.AdamW(p, lr=0.01)),
        _walk(torch, lambda p: torch.optim.RMSprop(p, lr=0.01)),
        _walk(torch, lambda p: torch.optim.Adadelta(p)),
        _walk(torch, lambda p: torch.optim.Adagrad(p)),
        _walk(torch, lambda p: torch.optim.NAdam(p)),
        _walk(torch, lambda p: torch.optim.Adamax(p)),
        _walk(torch, lambda p: torch.optim.RAdam(p)),
    ]


def second_order(torch: Any) -> Any:
    w, loss = _problem(torch)
    optimizer = torch.optim.LBFGS([w], lr=0.1, max_iter=5)

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return [[optimizer.step(closure).item() for _ in range(3)], w]


def rates(torch: Any) -> Any:
    found = []
    for make in (
        lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1 / (e + 1)),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 4),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
        scheduler = make(optimizer)
        for _ in range(5):
            optimizer.step()
            scheduler.step()
            found.append(optimizer.param_groups[0]["lr"])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    for measure in (1.0, 1.0, 1.0, 1.0):
        plateau.step(measure)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def states(torch: Any) -> Any:
    w, loss = _problem(torch)
    optimizer = torch.optim.Adam([w], lr=0.1)
    loss().backward()
    optimizer.step()
    state = optimizer.state_dict()
    other = torch.optim.Adam([w], lr=0.7)
    other.load_state_dict(state)
    return [state["param_groups"], state["state"][0]["exp_avg"], other.param_groups[0]["lr"]]


def own_optimizer(torch: Any) -> Any:
    class Halving(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"factor": 0.5})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(group["factor"])

    p = torch.nn.Parameter(torch.tensor([4.0]))
    Halving([p]).step()
    return [p, issubclass(torch.optim.Adam, torch.optim.Optimizer)]


def mixed_precision(torch: Any) -> Any:
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 4)
    x = torch.ones(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(x).dtype
    with torch.amp.autocast("cpu"):
        other = layer(x).dtype
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler.scale(layer(x).sum()).backward()
    before = layer.bias.grad.clone()
    scaler.step(optimizer)
    scaler.update()
    return [str(inside), str(other), before, scaler.get_scale()]


def checkpointed(torch: Any) -> Any:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.utils.checkpoint.checkpoint(lambda v: v.exp() * v, x, use_reentrant=False)
    y.sum().backward()
    return [y, x.grad]
