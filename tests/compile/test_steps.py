"""A compiled training step leaves bit for bit what the plain one leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "decay": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "adamax": lambda p: torch.optim.Adamax(p),
    "nadam": lambda p: torch.optim.NAdam(p),
    "radam": lambda p: torch.optim.RAdam(p),
    "asgd": lambda p: torch.optim.ASGD(p, t0=3),
    "rprop": lambda p: torch.optim.Rprop(p),
}


def net(norm: bool = False, dropout: bool = False) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(4, 8)]
    layers += [nn.BatchNorm1d(8)] if norm else []
    layers += [nn.ReLU()]
    layers += [nn.Dropout(0.5)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(8, 3))


def step_of(model: Any, optimizer: Any) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def batches(count: int, size: int = 5) -> list[tuple[Any, Any]]:
    torch.manual_seed(1)
    return [(torch.randn(size, 4), torch.randint(0, 3, (size,))) for _ in range(count)]


def assert_equal(a: Any, b: Any) -> None:
    """Equal trees of tensors, bit for bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_equal(x, y)
    else:
        assert a == b


def assert_same_models(a: Any, b: Any) -> None:
    assert_equal(a.state_dict(), b.state_dict())
    for p, q in zip(a.parameters(), b.parameters()):
        assert (p.grad is None) == (q.grad is None)
        assert p.grad is None or torch.equal(p.grad, q.grad)
        assert p._version == q._version


def programs(compiled: Any) -> int:
    """How many programs a compiled function has made."""
    return sum(len(kind.steps) for kind in compiled._kinds.values())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    results = []
    for compiled in (False, True):
        model = net()
        optimizer = OPTIMIZERS[name](model.parameters())
        step = step_of(model, optimizer)
        run = torch.compile(step) if compiled else step
        losses = [run(x, y) for x, y in batches(9)]
        results.append((losses, model, optimizer.state_dict()))
        assert not compiled or programs(run) >= 1
    (losses, model, state), (other_losses, other, other_state) = results
    assert_equal(losses, other_losses)
    assert_same_models(model, other)
    assert_equal(state, other_state)


def pair(norm: bool = False, dropout: bool = False, name: str = "adam") -> list[Any]:
    """Two equal (model, optimizer, step), the second compiled."""
    made = []
    for compiled in (False, True):
        model = net(norm, dropout)
        optimizer = OPTIMIZERS[name](model.parameters())
        step = step_of(model, optimizer)
        made.append((model, optimizer, torch.compile(step) if compiled else step))
    return made


def test_dropout_draws_the_same_numbers() -> None:
    losses, states = [], []
    for model, _, step in pair(norm=True, dropout=True):
        data = batches(6)
        torch.manual_seed(7)
        losses.append([step(x, y) for x, y in data])
        states.append((model.state_dict(), torch.get_rng_state()))
    assert_equal(*losses)
    assert_equal(*states)


def test_train_and_eval() -> None:
    losses = []
    for model, _, step in pair(norm=True, name="sgd"):
        found = []
        for i, (x, y) in enumerate(batches(8)):
            model.train(i % 3 != 2)
            found.append(step(x, y))
        losses.append([*found, model.state_dict()])
    assert_equal(*losses)


def test_learning_rate_changes_without_a_new_program() -> None:
    losses = []
    for _, optimizer, step in pair(name="adamw"):
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        found = []
        for x, y in batches(6):
            found.append(step(x, y))
            scheduler.step()
        losses.append(found)
    assert_equal(*losses)
    assert programs(step) == 1


def test_momentum_and_betas_change() -> None:
    losses = []
    for _, optimizer, step in pair(name="adam"):
        found = []
        for i, (x, y) in enumerate(batches(6)):
            optimizer.param_groups[0]["betas"] = (0.5 + 0.05 * i, 0.9 + 0.01 * i)
            optimizer.param_groups[0]["weight_decay"] = 0.1 * (i > 3)
            found.append(step(x, y))
        losses.append(found)
    assert_equal(*losses)


def test_batch_size_changes() -> None:
    losses = []
    for _, _, step in pair():
        data = [*batches(4), *batches(2, 3), *batches(3)]
        losses.append([step(x, y) for x, y in data])
    assert_equal(*losses)
    assert programs(step) == 2


def test_changes_from_outside() -> None:
    losses = []
    for model, optimizer, step in pair(norm=True):
        data = batches(10)
        found = [step(*data[0]), step(*data[1]), step(*data[2])]
        kept = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
        found += [step(*data[3])]
        model.load_state_dict(kept[0])
        found += [step(*data[4])]
        optimizer.load_state_dict(kept[1])
        found += [step(*data[5]), step(*data[6])]
        with torch.no_grad():
            model[0].weight.mul_(0.5)
        model[0].bias.data = torch.ones(8)
        model[0].weight.data.copy_(torch.full((8, 4), 0.25))
        found += [step(*data[7])]
        model[0].weight.requires_grad_(False)
        found += [step(*data[8]), step(*data[9])]
        losses.append([*found, model.state_dict(), optimizer.state_dict()])
    assert_equal(*losses)


def test_older_values_stay() -> None:
    """What a program holds of an earlier state is not overwritten by a replay."""
    model, _, step = pair()[1]
    data = batches(6)
    for x, y in data[:3]:
        step(x, y)
    before, view = model[0].weight.detach().clone(), model[0].weight.detach()[0]
    kept = model[0].weight.detach() * 1
    array = model[2].bias.detach().numpy()
    gradient = model[0].weight.grad
    copied = gradient.clone()
    step(*data[3])
    assert torch.equal(kept, before)
    assert torch.equal(gradient, copied)
    assert torch.equal(view, model[0].weight.detach()[0])
    assert array.tolist() == model[2].bias.tolist()


def test_accumulation() -> None:
    results = []
    for compiled in (False, True):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def micro(x: Any, y: Any, model: Any = model) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss.detach()

        run = torch.compile(micro) if compiled else micro
        found = []
        for i, (x, y) in enumerate(batches(12)):
            found.append(run(x, y))
            if i % 3 == 2:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                optimizer.zero_grad()
        results.append([*found, model.state_dict()])
    assert_equal(*results)
    assert programs(run) == 2


def adversarial() -> tuple[nn.Module, Callable[..., Any]]:
    """(models, step): one update of a judge, then one of a generator."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))
    judge = nn.Sequential(nn.Linear(4, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
    of_generator = torch.optim.Adam(generator.parameters(), lr=0.01)
    of_judge = torch.optim.Adam(judge.parameters(), lr=0.01)
    bce = F.binary_cross_entropy_with_logits

    def step(noise: Any, real: Any) -> Any:
        fake = generator(noise)
        of_judge.zero_grad()
        on_real, on_fake = judge(real), judge(fake.detach())
        loss = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
        loss.backward()
        of_judge.step()
        of_generator.zero_grad()
        on_fake = judge(fake)
        fooled = bce(on_fake, torch.ones_like(on_fake))
        fooled.backward()
        of_generator.step()
        return {"judge": loss.detach(), "generator": fooled.detach()}

    return nn.ModuleList([generator, judge]), step


def test_two_optimizers() -> None:
    results = []
    for compiled in (False, True):
        models, step = adversarial()
        run = torch.compile(step) if compiled else step
        torch.manual_seed(1)
        data = [(torch.randn(5, 3), torch.randn(5, 4)) for _ in range(6)]
        results.append([*[run(*batch) for batch in data], models.state_dict()])
    assert_equal(*results)
    assert programs(run) == 1


def test_inference_and_results_of_many_kinds() -> None:
    model = net().eval()

    def infer(x: Any, scale: float, *, names: Any) -> Any:
        with torch.inference_mode():
            y = model(x)
            return {"y": y, "t": y.t(), "x": x, "n": scale, names[0]: (y * scale, None)}

    run = torch.compile(infer)
    for x, _ in batches(3):
        plain, made = infer(x, 2.0, names=("a",)), run(x, 2.0, names=("a",))
        assert_equal(plain, made)
        assert made["x"] is x
        assert made["t"]._base is not None
        assert made["t"].stride() == plain["t"].stride()
    assert programs(run) == 1


def test_memory_shared_with_numpy() -> None:
    staging = torch.zeros(5, 4).numpy()
    x = torch.from_numpy(staging)
    run = torch.compile(lambda x: (x * 2, x))
    for value in (1.0, 2.0, 3.0):
        staging[:] = value
        doubled, same = run(x)
        assert same is x
        assert doubled.tolist() == [[2 * value] * 4] * 5
        first = doubled
        staging[:] = 0
        assert first.tolist() == [[2 * value] * 4] * 5


@pytest.mark.plain
def test_views_as_arguments() -> None:
    data = torch.arange(24.0).reshape(6, 4)
    run = torch.compile(lambda x: x[:, 1:].sum())
    plain = [data[i : i + 2][:, 1:].sum() for i in range(5)]
    assert_equal(plain, [run(data[i : i + 2]) for i in range(5)])
    assert programs(run) == 1


def test_a_diagonal_is_filled_inside() -> None:
    @torch.compile(fullgraph=True)
    def others(x: Any) -> Any:
        mask = torch.ones(3, 3, dtype=torch.bool).fill_diagonal_(0)
        tall = torch.zeros(7, 3).fill_diagonal_(1, wrap=True)
        return x.masked_fill(~mask, 0.0), tall

    x = torch.arange(9.0).reshape(3, 3) + 1
    for _ in range(3):
        found, tall = others(x)
    assert found.diagonal().tolist() == [0, 0, 0] and found.sum().item() == 45 - 15
    assert tall[:, 0].tolist() == [1, 0, 0, 0, 1, 0, 0]
