"""Saving and loading: keys, strictness, hooks, and that a refused load changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

import plait
from plait import nn


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def values(module: nn.Module) -> list[Any]:
    return [tensor.detach().clone() for tensor in module.state_dict().values()]


def unchanged(before: list[Any], module: nn.Module) -> bool:
    return all(bool((a == b).all()) for a, b in zip(before, module.state_dict().values()))


def test_keys_versions_and_sharing() -> None:
    module = net()
    state = module.state_dict(prefix="net.")
    assert list(state) == [
        "net.0.weight",
        "net.0.bias",
        "net.1.weight",
        "net.1.bias",
        "net.1.running_mean",
        "net.1.running_var",
        "net.1.num_batches_tracked",
    ]
    assert dict(state._metadata) == {
        "net": {"version": 1},
        "net.0": {"version": 1},
        "net.1": {"version": 2},
    }
    assert not state["net.0.weight"].requires_grad
    with plait.no_grad():
        module[0].weight.zero_()
    assert float(state["net.0.weight"].abs().sum()) == 0
    assert module.state_dict(keep_vars=True)["0.weight"] is module[0].weight


def test_round_trip() -> None:
    source, target = net(), net()
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert unchanged(values(source), target)
    assert target[0].weight is not source[0].weight and target[0].weight.requires_grad


def test_everything_wrong_is_listed_and_nothing_is_written() -> None:
    module = net()
    before = values(module)
    state = {key: value + 1 for key, value in module.state_dict().items()}
    del state["0.bias"]
    state["0.weight"] = plait.ones(4, 2)
    state["1.weight"] = 3
    state["extra"] = plait.ones(1)
    with pytest.raises(RuntimeError) as error:
        module.load_state_dict(state)
    assert str(error.value).partition("\n  at ")[0] == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        "\tsize mismatch for 0.weight: copying a param with shape torch.Size([4, 2]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2]).\n"
        '\tWhile copying the parameter named "1.weight", expected torch.Tensor or Tensor-like '
        "object from checkpoint but received <class 'int'>"
    )
    assert unchanged(before, module)


def test_missing_key_alone_writes_nothing() -> None:
    module = net()
    before = values(module)
    state = {key: value + 1 for key, value in module.state_dict().items()}
    del state["0.bias"]
    with pytest.raises(RuntimeError, match="Missing key"):
        module.load_state_dict(state)
    assert unchanged(before, module)
    result = module.load_state_dict(state, strict=False)
    assert result.missing_keys == ["0.bias"] and result.unexpected_keys == []
    assert not unchanged(before, module)


def test_size_mismatch_is_an_error_even_when_not_strict() -> None:
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        nn.Linear(2, 3).load_state_dict({"weight": plait.ones(1, 1)}, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        nn.Linear(2, 3).load_state_dict([])


def test_assign_puts_the_given_tensors_in_place() -> None:
    module = nn.Linear(2, 3)
    state = {"weight": plait.ones(3, 2, dtype=plait.float64), "bias": plait.zeros(3)}
    module.load_state_dict(state, assign=True)
    assert module.weight.dtype == plait.float64 and isinstance(module.weight, nn.Parameter)
    state["weight"].zero_()
    assert float(module.weight.abs().sum()) == 0


def test_values_are_cast_to_the_modules_dtype() -> None:
    module = nn.Linear(2, 3)
    module.load_state_dict({"weight": plait.ones(3, 2).double(), "bias": plait.zeros(3).int()})
    assert module.weight.dtype == plait.float32 and float(module.weight.sum()) == 6


def test_old_batch_norm_checkpoints_load() -> None:
    module = nn.BatchNorm1d(3)
    state = module.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    module.load_state_dict(state)
    plain = dict(module.state_dict())
    del plain["num_batches_tracked"]
    module.load_state_dict(plain)


class WithExtra(nn.Module):
    def __init__(self, note: str) -> None:
        super().__init__()
        self.note = note
        self.weight = nn.Parameter(plait.ones(1))

    def get_extra_state(self) -> str:
        return self.note

    def set_extra_state(self, state: str) -> None:
        self.note = state


def test_extra_state() -> None:
    state = WithExtra("first").state_dict()
    assert list(state) == ["weight", "_extra_state"]
    module = WithExtra("second")
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "other"'):
        module.load_state_dict({**state, "other": plait.ones(1)})
    assert module.note == "second"
    module.load_state_dict(state)
    assert module.note == "first"
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "_extra_state"'):
        module.load_state_dict({"weight": plait.ones(1)})


def test_state_dict_hooks() -> None:
    module = nn.Linear(1, 1)
    seen = []
    module.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep)))

    def rename(m, state, prefix, metadata):
        state[prefix + "w"] = state.pop(prefix + "weight")

    handle = module.register_state_dict_post_hook(rename)
    assert list(module.state_dict()) == ["bias", "w"] and seen == [("", False)]
    handle.remove()
    module._register_state_dict_hook(lambda *args: {"replaced": 1})
    assert module.state_dict() == {"replaced": 1}


def test_load_hooks_edit_what_is_loaded() -> None:
    module = nn.Linear(1, 1)

    def rename(m, state, prefix, metadata, strict, missing, unexpected, errors):
        assert m is module
        state[prefix + "weight"] = state.pop(prefix + "w")

    module.register_load_state_dict_pre_hook(rename)
    module.load_state_dict({"w": plait.full((1, 1), 5.0), "bias": plait.zeros(1)})
    assert module.weight.item() == 5


def test_post_hooks_see_loaded_values_and_can_forgive_keys() -> None:
    module = nn.Linear(1, 1)
    seen = []

    def forgive(m, keys):
        seen.append(m.weight.item())
        keys.missing_keys.clear()

    handle = module.register_load_state_dict_post_hook(forgive)
    module.load_state_dict({"weight": plait.full((1, 1), 5.0)})
    assert seen == [5.0] and module.weight.item() == 5
    handle.remove()
    module.register_load_state_dict_post_hook(lambda m, keys: None)
    with pytest.raises(RuntimeError, match="Missing key"):
        module.load_state_dict({"weight": plait.full((1, 1), 6.0)})
    assert module.weight.item() == 5
