"""The optimizers' base: groups and their checks, hooks, saving, loading, copying."""

import copy
import pickle
import warnings

import pytest

import plait
from plait.optim import optimizer as module
from plait.optim.optimizer import Optimizer, required


class Descent(Optimizer):
    """Gradient descent that counts its steps in each parameter's state."""

    def __init__(self, params, lr=0.1, **more):
        super().__init__(params, {"lr": lr, **more})

    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                state["step"] = state.get("step", 0) + 1
                state["last"] = param.grad.clone()
                with plait.no_grad():
                    param.add_(param.grad, alpha=-group["lr"])


def param(*shape):
    return plait.ones(*shape, requires_grad=True)


def trained():
    a, b = param(2), param(3)
    optimizer = Descent([{"params": [a]}, {"params": [b], "lr": 0.5}])
    (a.sum() + 2 * b.sum()).backward()
    optimizer.step()
    return optimizer, a, b


def test_groups_take_defaults_and_step_updates():
    optimizer, a, b = trained()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert a.tolist() == pytest.approx([0.9, 0.9])  # float32
    assert b.tolist() == [0.0, 0.0, 0.0]


def test_repr():
    optimizer = Descent([param(1)], lr=0.1)
    assert repr(optimizer) == "Descent (\nParameter Group 0\n    lr: 0.1\n)"


def test_named_parameters():
    a, b = param(1), param(1)
    optimizer = Descent([("a", a), ("b", b)])
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.param_groups[0]["params"][1] is b
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [param(1)]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        Descent([("a", param(1)), param(1)])


def test_checks():
    a = param(1)
    with pytest.raises(
        TypeError, match=r"iterable of Tensors or dicts, but got torch\.FloatTensor"
    ):
        Descent(a)
    with pytest.raises(ValueError, match="empty parameter list"):
        Descent([])
    with pytest.raises(TypeError, match="one of the params is int"):
        Descent([3])
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        Descent([a * 2])
    with pytest.raises(TypeError, match="ordering of tensors in sets"):
        Descent([{"params": {a}}])
    with pytest.raises(ValueError, match="appear in more than one parameter group"):
        Descent([{"params": [a]}, {"params": [a]}])
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Descent([a], lr=required)
    with pytest.raises(TypeError, match="param_group must be a dict"):
        Descent([a]).add_param_group([a])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        Descent([a, a])
    assert repr(required) == "<required parameter>"


def test_zero_grad():
    optimizer, a, b = trained()
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert a.grad is None
    assert b.grad is None


def test_state_dict_round_trip():
    optimizer, a, _ = trained()
    saved = optimizer.state_dict()
    assert sorted(saved["state"]) == [0, 1]
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]

    c = plait.ones(2, dtype=plait.float64, requires_grad=True)
    other = Descent([{"params": [c]}, {"params": [param(3)], "lr": 7.0}])
    other.load_state_dict(saved)
    assert other.param_groups[1]["lr"] == 0.5
    assert other.param_groups[0]["params"][0] is c
    assert other.state[c]["step"] == 1
    assert other.state[c]["last"].dtype == plait.float64  # cast to the parameter's dtype
    assert optimizer.state[a]["last"].dtype == plait.float32


def test_tensor_steps_keep_their_dtype():
    a = plait.ones(1, dtype=plait.float16, requires_grad=True)
    optimizer = Descent([a])
    step = plait.tensor(5.0)
    state = {0: {"step": step, "buffers": [plait.ones(1), None], "name": "x"}}
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    loaded = optimizer.state[a]
    assert loaded["step"].dtype == plait.float32
    assert loaded["buffers"][0].dtype == plait.float16
    assert loaded["buffers"][1] is None
    assert loaded["name"] == "x"


def test_load_refuses_other_shapes_and_changes_nothing():
    optimizer, _, _ = trained()
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(Descent([param(1)]).state_dict())
    two = Descent([{"params": [param(1), param(1)]}, {"params": [param(1)]}])
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(two.state_dict())
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]


def test_step_hooks():
    optimizer = Descent([param(1)])
    calls = []
    before = optimizer.register_step_pre_hook(lambda *args: calls.append("before"))
    after = optimizer.register_step_post_hook(lambda *args: calls.append("after"))
    everywhere = module.register_optimizer_step_pre_hook(lambda *args: calls.append("all"))
    optimizer.step()
    assert calls == ["all", "before", "after"]
    before.remove()
    after.remove()
    everywhere.remove()
    optimizer.step()
    assert len(calls) == 3

    optimizer.register_step_pre_hook(lambda opt, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer, _, _ = trained()
    order = []
    optimizer.register_state_dict_pre_hook(lambda opt: order.append("second"))
    optimizer.register_state_dict_pre_hook(lambda opt: order.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "more": 1})
    saved = optimizer.state_dict()
    assert order == ["first", "second"]
    assert saved["more"] == 1

    def raise_rate(opt, state):
        groups = [{**group, "lr": 9.0} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(raise_rate)
    optimizer.register_load_state_dict_post_hook(lambda opt: order.append("loaded"))
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 9.0
    assert order[-1] == "loaded"


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(clone):
    optimizer, _, _ = trained()
    twin = clone(optimizer)
    own = twin.param_groups[0]["params"][0]
    assert own is not optimizer.param_groups[0]["params"][0]
    assert twin.state[own]["step"] == 1
    twin.step()
    assert not twin._optimizer_step_pre_hooks


def test_base_step_is_abstract():
    class Unwritten(Optimizer):
        pass

    with pytest.raises(NotImplementedError):
        Unwritten([param(1)], {}).step()


def test_adding_a_group_does_not_warn():
    optimizer = Descent([param(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.add_param_group({"params": param(2)})
    assert len(optimizer.param_groups) == 2
