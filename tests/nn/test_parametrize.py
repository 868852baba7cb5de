"""Parametrizations: what they compute, hold and refuse."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).mT

    def right_inverse(self, A):
        return A.triu()


class Exp(nn.Module):
    def forward(self, X):
        return X.exp()


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, X):
        return X / 2, X / 2


def test_a_parameter_becomes_a_computed_one() -> None:
    layer = nn.Linear(3, 3)
    weight = layer.weight
    before = weight.detach().clone()
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert layer.parametrizations.weight.original is weight
    assert torch.equal(weight.detach(), before.triu())
    assert torch.equal(layer.weight, layer.weight.mT)
    assert set(layer.state_dict()) == {"bias", "parametrizations.weight.original"}
    layer(torch.ones(1, 3)).sum().backward()
    assert weight.grad is not None
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")


def test_assigning_goes_backwards() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    value = torch.tensor([[1.0, 2.0], [2.0, 3.0]])
    layer.weight = value
    assert torch.equal(layer.weight, value)
    assert torch.equal(layer.parametrizations.weight.original.detach(), value.triu())
    parametrize.register_parametrization(layer, "weight", Exp())
    with pytest.raises(RuntimeError, match="does not implement"):
        layer.weight = value


def test_several_originals() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Sum())
    names = {name for name, _ in layer.named_parameters()}
    assert names == {
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    }
    layer.weight = torch.ones(2, 2)
    assert torch.equal(layer.parametrizations.weight.original1.detach(), torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert isinstance(layer.weight, nn.Parameter)
    assert torch.equal(layer.weight.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("leave", [True, False])
def test_removing(leave) -> None:
    layer = nn.Linear(2, 2)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Exp())
    computed, original = layer.weight.detach().clone(), weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert type(layer) is nn.Linear
    assert layer.weight is weight
    assert torch.equal(weight.detach(), computed if leave else original)
    assert not hasattr(layer, "parametrizations")
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_a_buffer_can_be_parametrized() -> None:
    norm = parametrize.register_parametrization(nn.BatchNorm1d(3), "running_mean", Exp())
    assert "parametrizations.running_mean.original" in dict(norm.named_buffers())
    assert torch.equal(norm.running_mean, torch.ones(3))


def test_values_are_kept_inside_cached() -> None:
    calls = []

    class Counted(nn.Module):
        def forward(self, X):
            calls.append(1)
            return X * 1

    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Counted())
    calls.clear()
    with parametrize.cached(), parametrize.cached():
        first = layer.weight
    assert layer.weight is not first
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert len(calls) == 3


def test_copies_are_independent_and_pickles_refused() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    other = copy.deepcopy(layer)
    other.weight = torch.zeros(2, 2)
    assert torch.equal(other.weight, torch.zeros(2, 2))
    assert layer.weight.abs().sum() > 0
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)


def test_optimizers_go_on_with_the_original() -> None:
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    parametrize.register_parametrization(layer, "weight", Exp())
    before = layer.weight.detach().clone()
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert (layer.weight < before).all()


def test_mode_of_the_module_is_taken_over() -> None:
    layer, computed = nn.Linear(2, 2).eval(), Symmetric()
    parametrize.register_parametrization(layer, "weight", computed)
    assert not computed.training


def test_transfer() -> None:
    source = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    target = nn.Linear(2, 2)
    parametrize.transfer_parametrizations_and_params(source, target)
    assert torch.equal(source.weight, target.weight)
    original = target.parametrizations.weight.original
    assert original is source.parametrizations.weight.original


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_orthogonal_matrices(kind, base, shape) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(shape[1], shape[0]).double()
    if kind != "householder" and not base:
        parametrizations.orthogonal(layer, "weight", kind, use_trivialization=False)
        with pytest.raises(NotImplementedError):
            layer.weight = torch.zeros(shape, dtype=torch.float64)
    else:
        parametrizations.orthogonal(layer, "weight", kind, use_trivialization=base)
        wanted = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
        wanted = np.linalg.qr(wanted[: max(shape), : min(shape)])[0]
        wanted = wanted if shape[0] >= shape[1] else wanted.T
        layer.weight = torch.from_numpy(np.ascontiguousarray(wanted))
        np.testing.assert_allclose(np.abs(layer.weight.detach().numpy()), np.abs(wanted), atol=1e-7)
    Q = layer.weight.detach().numpy()
    product = Q.T @ Q if shape[0] >= shape[1] else Q @ Q.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_old_weight_norms_load() -> None:
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    state = layer.state_dict()
    old = {
        "bias": state["bias"],
        "weight_g": torch.full((2, 1), 2.0),
        "weight_v": torch.ones(2, 3),
    }
    layer.load_state_dict(old)
    np.testing.assert_allclose(
        layer.weight.detach().numpy(), np.full((2, 3), 2 / 3**0.5), rtol=1e-6
    )


def test_spectral_norm_of_a_vector_is_its_length() -> None:
    layer = parametrizations.spectral_norm(nn.LayerNorm(4), "weight")
    np.testing.assert_allclose(layer.weight.detach().numpy(), np.full(4, 0.5), rtol=1e-6)
