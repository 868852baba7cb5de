"""What a compiled function depends on besides tensors, and what it cannot be compiled for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F
from tests.compile.test_steps import (
    assert_equal,
    assert_same_models,
    batches,
    net,
    programs,
    step_of,
)

SCALE = 1.0
SEEN: list[Any] = []


def _scaled(x: Any) -> Any:
    return x * SCALE


def test_a_global_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    run = torch.compile(lambda x: _scaled(x) + 1)
    x = torch.ones(2)
    found = []
    for value in (1.0, 1.0, 3.0, 3.0, 1.0):
        monkeypatch.setitem(globals(), "SCALE", value)
        found.append(run(x)[0].item())
    assert found == [2.0, 2.0, 4.0, 4.0, 2.0]
    assert programs(run) == 2


def test_a_closure_that_changes() -> None:
    scale = 1.0

    @torch.compile
    def run(x: Any) -> Any:
        return x * scale

    x = torch.ones(2)
    assert run(x).tolist() == [1.0, 1.0]
    assert run(x).tolist() == [1.0, 1.0]
    scale = 4.0
    assert run(x).tolist() == [4.0, 4.0]


class Trainer:
    """A user's class whose attributes a step reads, or writes."""

    def __init__(self, counts: bool) -> None:
        self.model = net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.weight = 1.0
        self.counts = counts
        self.count = 0

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y) * self.weight
        loss.backward()
        self.optimizer.step()
        if self.counts:
            self.count += 1
        return loss.detach()


@pytest.mark.parametrize("counts", [False, True])
def test_attributes(counts: bool) -> None:
    results = []
    for compiled in (False, True):
        trainer = Trainer(counts)
        run = torch.compile(trainer.step) if compiled else trainer.step
        found = []
        for i, (x, y) in enumerate(batches(8)):
            trainer.weight = 1.0 + (i > 3)
            found.append(run(x, y))
        results.append([*found, trainer.count, trainer.model.state_dict()])
    assert_equal(*results)
    assert (programs(run) == 0) == counts


def test_attributes_of_a_users_module() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.scale = 1.0

        def forward(self, x: Any) -> Any:
            return self.layer(x) * self.scale

    model = Scaled()
    x = torch.ones(2, 4)
    with torch.no_grad():
        run = torch.compile(lambda x: model(x))
        for scale in (1.0, 1.0, 2.0):
            model.scale = scale
            assert torch.equal(run(x), model(x))
        assert programs(run) == 2
        model.layer = nn.Linear(4, 3)
        assert torch.equal(run(x), model(x))


def test_a_value_that_is_read_ends_the_capture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLAIT_LOG", "breaks,recompiles")
    results = []
    for compiled in (False, True):
        model = net()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        plain = step_of(model, optimizer)

        def step(x: Any, y: Any, plain: Any = plain) -> float:
            loss = plain(x, y)
            return loss.item() * 2

        run = torch.compile(step) if compiled else step
        results.append([run(x, y) for x, y in batches(4)])
        results[-1] += [model.state_dict(), optimizer.state_dict()]
    assert_equal(*results)
    said = capsys.readouterr().err
    assert "[breaks]" in said
    assert "test_guards.py" in said


def test_fullgraph_raises_where_a_value_is_read() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [p.detach().clone() for p in model.parameters()]
    plain = step_of(model, optimizer)
    run = torch.compile(lambda x, y: plain(x, y).item(), fullgraph=True)
    with pytest.raises(RuntimeError, match="fullgraph"):
        run(*batches(1)[0])
    assert_equal(before, list(model.parameters()))


@pytest.mark.parametrize(
    "effect",
    [
        lambda x: print(x.shape),
        lambda x: SEEN.append(x.sum()),
        lambda x: SEEN.append(1),
        lambda x: np.ones(2),
    ],
    ids=["prints", "keeps", "appends", "numpy"],
)
def test_effects_are_repeated(effect: Any, capsys: pytest.CaptureFixture[str]) -> None:
    SEEN.clear()

    def step(x: Any) -> Any:
        effect(x)
        return x * 2

    run = torch.compile(step)
    for _ in range(3):
        assert run(torch.ones(2)).tolist() == [2.0, 2.0]
    assert len(SEEN) in (0, 3)
    assert programs(run) == 0


def test_host_draws_are_drawn_anew() -> None:
    run = torch.compile(lambda x: x + torch.randn(2))
    torch.manual_seed(3)
    plain = [torch.zeros(2) + torch.randn(2) for _ in range(4)]
    torch.manual_seed(3)
    assert_equal(plain, [run(torch.zeros(2)) for _ in range(4)])
    assert programs(run) == 1


def test_a_failure_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step = step_of(model, optimizer)
    run = torch.compile(lambda x, y: step(x, y + 0))
    data = batches(5)
    good, bad = data[0][1], torch.full((5,), 7)
    for label in (good, good, good):
        run(data[0][0], label)
    assert programs(run) == 1
    before = [t.clone() for t in (*model.state_dict().values(), torch.get_rng_state())]
    state = {k: {n: t.clone() for n, t in s.items()} for k, s in optimizer.state.items()}
    with pytest.raises(IndexError, match="Target 7"):
        run(data[1][0], bad)
    assert_equal(before, [*model.state_dict().values(), torch.get_rng_state()])
    assert_equal(list(state.values()), list(optimizer.state.values()))
    run(data[2][0], good)


def test_a_failure_in_the_first_call_changes_nothing() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step = step_of(model, optimizer)
    run = torch.compile(lambda x, y: step(x, y + 0))
    x, y = batches(1)[0]
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(IndexError, match="Target 7"):
        run(x, torch.full((5,), 7))
    assert_equal(before, list(model.parameters()))
    assert not optimizer.state
    run(x, y)


def test_exceptions_pass_through() -> None:
    def step(x: Any, y: Any) -> Any:
        plain(x, y)
        raise KeyError("mine")

    models = []
    for compiled in (False, True):
        model = net()
        plain = step_of(model, torch.optim.SGD(model.parameters(), lr=0.1))
        run = torch.compile(step) if compiled else step
        for x, y in batches(2):
            with pytest.raises(KeyError, match="mine"):
                run(x, y)
        models.append(model)
    assert_same_models(*models)


def test_results_that_can_still_be_differentiated() -> None:
    models = []
    for compiled in (False, True):
        model = net()
        run = torch.compile(model) if compiled else model
        for x, y in batches(3):
            F.cross_entropy(run(x), y).backward()
        models.append(model)
    assert_same_models(*models)


def test_a_compiled_module() -> None:
    model = net(norm=True)
    compiled = torch.compile(model)
    assert isinstance(compiled, nn.Module)
    assert compiled._orig_mod is model
    assert_equal(list(compiled.parameters()), list(model.parameters()))
    assert next(iter(compiled.state_dict())) == "_orig_mod.0.weight"
    x = torch.ones(3, 4)
    compiled.eval()
    assert not model.training
    with torch.no_grad():
        for _ in range(3):
            assert torch.equal(compiled(x), model(x))
    compiled.train()
    assert model.training


def test_nesting_and_decorators() -> None:
    @torch.compile(dynamic=False)
    def inner(x: Any) -> Any:
        return x * 2

    @torch.compile
    def outer(x: Any) -> Any:
        """Twice and one."""
        return inner(x) + 1

    for _ in range(3):
        assert outer(torch.ones(1)).item() == 3.0
    assert outer.__doc__ == "Twice and one."
    assert programs(inner) == 0

    class Holder:
        offset = 1.0

        @torch.compile
        def add(self, x: Any) -> Any:
            return x + self.offset

    holder = Holder()
    assert [holder.add(torch.ones(1)).item() for _ in range(3)] == [2.0] * 3
    with pytest.raises(TypeError):
        torch.compile(3)
    assert torch.compile(inner.__wrapped__, disable=True) is inner.__wrapped__


def test_threads_do_not_disturb_a_capture() -> None:
    import threading

    run = torch.compile(lambda x: x * 2)
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda: found.extend(run(torch.ones(1)).item() for _ in range(20)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2.0] * 40


def test_draws_of_a_generator_are_put_back_after_a_failure() -> None:
    generator = torch.Generator()

    def step(x: Any, i: Any) -> Any:
        return x[i] * torch.randn(2, generator=generator) + torch.rand(2)

    results = []
    for compiled in (False, True):
        run = torch.compile(step) if compiled else step
        generator.manual_seed(3)
        torch.manual_seed(4)
        x = torch.ones(4)
        found = [run(x, torch.tensor([1, 2]) + 0) for _ in range(3)]
        with pytest.raises(IndexError):
            run(x, torch.tensor([1, 7]) + 0).sum().item()
        results.append([*found, run(x, torch.tensor([0, 0]) + 0)])
    assert_equal(*results)
    assert programs(run) == 1


def test_what_is_written_and_not_read() -> None:
    buffer, kept = torch.zeros(2), torch.zeros(2)
    weight = nn.Parameter(torch.ones(2))

    @torch.compile
    def step(x: Any, y: Any) -> None:
        y.zero_()
        buffer.copy_(x)
        weight.grad.zero_()

    for value in (1.0, 2.0, 3.0):
        y = torch.ones(2)
        weight.grad = torch.ones(2)
        if value == 3.0:
            buffer.data = kept
        step(torch.full((2,), value), y)
        assert y.tolist() == [0.0, 0.0]
        assert weight.grad.tolist() == [0.0, 0.0]
        assert buffer.tolist() == [value, value]
    assert kept.tolist() == [3.0, 3.0]
    assert programs(step) == 1


def test_parameters_of_another_dtype_or_shape() -> None:
    model = nn.Linear(3, 3)
    run = torch.compile(lambda: model.weight.detach() * 2)
    run()
    run()
    model.double()
    assert run().dtype is torch.float64
    model.weight.data = torch.ones(2, 2)
    assert run().tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_hooks_added_and_removed() -> None:
    model = net()
    weight = next(model.parameters())
    step = torch.compile(step_of(model, torch.optim.SGD(model.parameters(), lr=0.1)))
    x, y = batches(1)[0]
    step(x, y)
    step(x, y)
    handle = weight.register_hook(lambda g: g * 0)
    step(x, y)
    step(x, y)
    assert not weight.grad.any()
    second = weight.register_hook(lambda g: g + 1)
    step(x, y)
    assert (weight.grad == 1).all()
    handle.remove()
    second.remove()
    seen = []
    model.register_forward_hook(lambda *given: seen.append(1))
    for _ in range(3):
        step(x, y)
    assert len(seen) == 3
    assert weight.grad.any()


def test_results_that_are_objects_are_made_anew() -> None:
    class Output:
        def __init__(self, logits: Any) -> None:
            self.logits = logits

    run = torch.compile(lambda x: Output(x * 2))
    for value in (1.0, 2.0, 3.0):
        assert run(torch.full((1,), value)).logits.item() == 2 * value

    @torch.compile
    def items(x: Any) -> Any:
        yield x + 1

    for value in (1.0, 2.0):
        assert [y.item() for y in items(torch.full((1,), value))] == [value + 1]


def test_options_set_in_the_step() -> None:
    results = []
    for compiled in (False, True):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        plain = step_of(model, optimizer)

        def step(x: Any, y: Any, plain: Any = plain, scheduler: Any = scheduler) -> Any:
            loss = plain(x, y)
            scheduler.step()
            return loss, scheduler.get_last_lr()

        run = torch.compile(step) if compiled else step
        results.append([run(x, y) for x, y in batches(5)])
    assert_equal(*results)


def test_an_attribute_of_an_installed_package_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest, "factor", 2.0, raising=False)

    @torch.compile
    def scaled(x: Any) -> Any:
        return x * pytest.factor  # type: ignore[attr-defined]  # set above

    x = torch.ones(2)
    assert scaled(x).tolist() == [2.0, 2.0]
    assert scaled(x).tolist() == [2.0, 2.0]
    monkeypatch.setattr(pytest, "factor", 3.0, raising=False)
    assert scaled(x).tolist() == [3.0, 3.0]


def test_an_argument_that_is_a_tensor_of_the_closure_too() -> None:
    w = torch.arange(3.0)
    run = torch.compile(lambda x: x * 10 + w)
    assert run(w).tolist() == [0.0, 11.0, 22.0]
    for _ in range(3):
        assert run(torch.ones(3)).tolist() == [10.0, 11.0, 12.0]
    assert run(w).tolist() == [0.0, 11.0, 22.0]


def test_an_argument_that_is_a_parameter_of_the_module_too() -> None:
    net = nn.Linear(2, 2)
    run = torch.compile(lambda x: net(x) + x)
    x = torch.ones(2, 2)
    for given in (net.weight, x, x, *[net.weight] * 6, x):
        assert torch.equal(run(given), net(given) + given)


@pytest.mark.parametrize("warm", [0, 3])
def test_an_argument_that_is_a_view_of_what_the_call_writes(warm: int) -> None:
    total = torch.arange(4.0)

    def step(view: torch.Tensor) -> torch.Tensor:
        total.add_(1)
        return view * 1

    run = torch.compile(step)
    for _ in range(warm):
        assert run(torch.zeros(2)).tolist() == [0.0, 0.0]
    for turn in range(warm + 1, warm + 4):
        assert run(total[:2]).tolist() == [turn, turn + 1]
    assert run(torch.zeros(2)).tolist() == [0.0, 0.0]
    assert total[0].item() == warm + 4


REASONS = {
    "what it reads": lambda x: x + np.ones(3, np.float32).sum(),
    "shared arguments": lambda x, y: x + y,
    "an effect": lambda x: (print(end=""), x)[1],
}


@pytest.mark.parametrize("name", REASONS)
def test_fullgraph_raises_for_whatever_reason(name: str) -> None:
    run = torch.compile(REASONS[name], fullgraph=True)
    x = torch.ones(3)
    given = (x, x[:]) if name == "shared arguments" else (x,)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="fullgraph"):
            run(*given)


@pytest.mark.parametrize("kind", ["coo", "csr", "meta"])
def test_fullgraph_raises_for_arguments_that_have_no_memory_of_their_own(kind: str) -> None:
    dense = torch.eye(3)
    given = {
        "coo": dense.to_sparse,
        "csr": dense.to_sparse_csr,
        "meta": lambda: torch.empty(3, 3, device="meta"),
    }[kind]()
    calls = []
    run = torch.compile(lambda x: calls.append(1) or x * 2, fullgraph=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"fullgraph.*a sparse or a meta tensor"):
            run(given)
    assert not calls
    # Without it the call runs as it is.
    assert torch.compile(lambda x: x * 2)(given).shape == (3, 3)


def test_fullgraph_raises_where_there_are_too_many_kinds_of_calls() -> None:
    run = torch.compile(lambda x, turn: x + turn, fullgraph=True)
    with pytest.raises(RuntimeError, match=r"fullgraph.*kinds of calls"):
        for turn in range(100):
            assert run(torch.zeros(1), turn).item() == turn


def test_fullgraph_leaves_all_as_it_was_where_it_raises() -> None:
    seen = [0]
    total = torch.zeros(2)

    def step(x: torch.Tensor) -> torch.Tensor:
        total.add_(x)
        seen[0] += 1
        return x + 1

    run = torch.compile(step, fullgraph=True)
    # What a first call makes to last is no effect; one of every call is.
    with pytest.raises(RuntimeError, match="fullgraph"):
        for _ in range(10):
            assert run(torch.ones(2)).tolist() == [2.0, 2.0]
    # The call that raised has come as far as to count, and no further.
    assert 1 < seen[0] < 9
    assert total.tolist() == [seen[0] - 1, seen[0] - 1]


def test_a_dict_that_is_read_and_not_changed_is_no_effect() -> None:
    setting = {"scale": 2.0, "shift": 1.0}
    captured = torch.compile(lambda x: x * setting["scale"] + setting["shift"], fullgraph=True)
    assert [captured(torch.ones(1)).item() for _ in range(3)] == [3.0] * 3
    setting["shift"] = 4.0
    assert captured(torch.ones(1)).item() == 6.0


def test_where_a_view_begins_counts_where_it_is_read() -> None:
    memory = torch.arange(24.0)
    flat = torch.compile(lambda x: x.view(-1) * 2)
    placed = torch.compile(lambda x: x * 2 + x.storage_offset())
    for start in (0, 4, 8, 0, 4, 8):
        part = memory[start : start + 4].view(2, 2)
        assert flat(part).tolist() == (memory[start : start + 4] * 2).tolist()
        assert placed(part).tolist() == (part * 2 + start).tolist()
    assert (programs(flat), programs(placed)) == (1, 3)


def test_strides_that_are_read_are_guarded_and_others_are_not() -> None:
    memory = torch.arange(9.0).reshape(3, 3)
    told = torch.compile(lambda x: x * x.stride(0))
    untold = torch.compile(lambda x: x * 2)
    for _ in range(3):
        for x in (memory, memory.t()):
            assert told(x).tolist() == (x * x.stride(0)).tolist()
            assert untold(x).tolist() == (x * 2).tolist()
    assert (programs(told), programs(untold)) == (2, 1)
