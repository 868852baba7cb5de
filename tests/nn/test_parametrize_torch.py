"""Parametrizations and pruning against the real PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")
# PyTorch does not import it by itself.
pytest.importorskip("torch.nn.utils.prune", reason="compares with PyTorch")

# float64; power iterations and factorizations of small matrices.
TOLERANCE = 1e-9


def module_of(framework: Any, layer: str, *args: Any) -> Any:
    """A layer in float64 with the same parameters in both frameworks."""
    module = getattr(framework.nn, layer)(*args).double()
    rng = np.random.default_rng(0)
    with framework.no_grad():
        for parameter in module.parameters():
            parameter.copy_(framework.from_numpy(rng.standard_normal(tuple(parameter.shape))))
    return module


def outcome(framework: Any, module: Any, shape: tuple[int, ...], remove: Callable) -> list[Any]:
    """Names and values of two calls in training, their gradients, one in evaluation, the state,
    and the state after removal."""
    inputs = framework.from_numpy(np.random.default_rng(1).standard_normal(shape))
    values = [module(inputs), module(inputs)]
    values[1].square().sum().backward()
    names = [name for name, _ in module.named_parameters()]
    values += [parameter.grad for parameter in module.parameters()]
    module.eval()
    values.append(module(inputs))
    names += [type(module).__name__, *module.state_dict(), repr(module)]
    values += list(module.state_dict().values())
    remove(module)
    values.append(module(inputs))
    names += [type(module).__name__, *module.state_dict()]
    return [names, [v if v is None else np.array(v.detach().numpy()) for v in values]]


def compare(scenario: Callable[[Any], list[Any]]) -> None:
    ours, theirs = scenario(plait), scenario(torch)
    assert ours[0] == theirs[0]
    assert len(ours[1]) == len(theirs[1])
    for a, b in zip(ours[1], theirs[1]):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)


LAYERS = {
    "linear": ("Linear", (3, 4), (2, 3)),
    "square": ("Linear", (3, 3), (2, 3)),
    "tall": ("Linear", (2, 5), (2, 2)),
    "conv": ("Conv2d", (2, 3, 3), (1, 2, 5, 5)),
    "transposed": ("ConvTranspose2d", (2, 3, 3), (1, 2, 4, 4)),
}


@pytest.mark.parametrize(
    ("wrap", "options"),
    [
        ("weight_norm", {}),
        ("weight_norm", {"dim": None}),
        ("weight_norm", {"dim": 1}),
        ("spectral_norm", {}),
        ("spectral_norm", {"n_power_iterations": 3, "dim": 1}),
    ],
)
@pytest.mark.parametrize("layer", ["linear", "conv", "transposed"])
def test_norms(wrap, options, layer) -> None:
    kind, args, shape = LAYERS[layer]

    def scenario(framework: Any) -> list[Any]:
        module = module_of(framework, kind, *args)
        framework.manual_seed(3)
        getattr(framework.nn.utils.parametrizations, wrap)(module, **options)
        for name, buffer in module.named_buffers():  # normal draws differ in the last places
            fixed = np.random.default_rng(len(name)).standard_normal(tuple(buffer.shape))
            buffer.copy_(framework.from_numpy(fixed / np.linalg.norm(fixed)))
        remove = framework.nn.utils.parametrize.remove_parametrizations
        return outcome(framework, module, shape, lambda m: remove(m, "weight"))

    compare(scenario)


@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize("layer", ["linear", "square", "tall"])
def test_orthogonal(kind, base, layer) -> None:
    name, args, shape = LAYERS[layer]

    def scenario(framework: Any) -> list[Any]:
        module = module_of(framework, name, *args)
        framework.manual_seed(3)
        framework.nn.utils.parametrizations.orthogonal(
            module, "weight", kind, use_trivialization=base
        )
        if base and layer != "square":
            # The random columns of the base, which are float64 normal numbers.
            Q = np.linalg.qr(np.random.default_rng(5).standard_normal((5, 5)))[0]
            n = max(args)
            Q = np.linalg.qr(Q[:n, :n])[0]
            module.parametrizations.weight[0].base.copy_(framework.from_numpy(Q))
        remove = framework.nn.utils.parametrize.remove_parametrizations
        return outcome(framework, module, shape, lambda m: remove(m, "weight"))

    compare(scenario)


def test_chain_of_parametrizations() -> None:
    def scenario(framework: Any) -> list[Any]:
        class Half(framework.nn.Module):
            def forward(self, X):
                return X / 2

            def right_inverse(self, X):
                return X * 2

        class Twice(framework.nn.Module):
            def forward(self, X, Y):
                return X + 2 * Y

            def right_inverse(self, X):
                return [X / 3, X / 3]

        register = framework.nn.utils.parametrize.register_parametrization
        module = module_of(framework, "Linear", 3, 4)
        register(module, "weight", Twice())
        register(module, "weight", Half())
        register(module, "bias", Half())
        module.weight = framework.ones(4, 3, dtype=framework.float64)

        def remove(m: Any) -> None:
            framework.nn.utils.parametrize.remove_parametrizations(m, "weight")

        return outcome(framework, module, (2, 3), remove)

    compare(scenario)


PRUNINGS = {
    "identity": lambda p, m: p.identity(m, "weight"),
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.4),
    "l1_count": lambda p, m: p.l1_unstructured(m, "bias", 2),
    "random": lambda p, m: p.random_unstructured(m, "weight", 0.3),
    "random_structured": lambda p, m: p.random_structured(m, "weight", 1, 0),
    "ln": lambda p, m: p.ln_structured(m, "weight", 0.5, 2, 1),
    "ln_inf": lambda p, m: p.ln_structured(m, "weight", 1, float("inf"), -1),
    "none": lambda p, m: p.ln_structured(m, "weight", 0, 1, 0),
    "twice": lambda p, m: p.l1_unstructured(p.random_unstructured(m, "weight", 2), "weight", 0.5),
    "structured_after": lambda p, m: p.ln_structured(
        p.l1_unstructured(m, "weight", 3), "weight", 1, 2, 0
    ),
    "thrice": lambda p, m: p.l1_unstructured(
        p.ln_structured(p.random_structured(m, "weight", 1, 0), "weight", 1, 1, 1), "weight", 2
    ),
}


@pytest.mark.parametrize("name", PRUNINGS)
def test_pruning(name) -> None:
    def scenario(framework: Any) -> list[Any]:
        module = module_of(framework, "Linear", 3, 4)
        framework.manual_seed(7)
        prune = framework.nn.utils.prune
        PRUNINGS[name](prune, module)
        assert prune.is_pruned(module)
        pruned = "bias" if name == "l1_count" else "weight"
        return outcome(framework, module, (2, 3), lambda m: prune.remove(m, pruned))

    compare(scenario)


def test_masks_scores_and_global_pruning() -> None:
    def scenario(framework: Any) -> list[Any]:
        prune = framework.nn.utils.prune
        rng = np.random.default_rng(2)
        first, second = (module_of(framework, "Linear", 3, 4) for _ in range(2))
        with framework.no_grad():
            second.weight.mul_(0.5)
        mask = framework.from_numpy(rng.integers(0, 2, (4, 3)))
        prune.custom_from_mask(first, "weight", mask)
        scores = framework.from_numpy(rng.standard_normal((4, 3)))
        prune.l1_unstructured(second, "weight", 2, importance_scores=scores)
        parameters = ((first, "weight"), (second, "weight"), (second, "bias"))
        prune.global_unstructured(
            parameters,
            prune.L1Unstructured,
            importance_scores={(second, "bias"): second.bias * 3},
            amount=0.3,
        )
        tensor = framework.from_numpy(rng.standard_normal((4, 3)))
        alone = prune.L1Unstructured(amount=5).prune(tensor)
        states = [first.state_dict(), second.state_dict()]
        names = [list(state) for state in states]
        hooks = [[type(h).__name__ for h in m._forward_pre_hooks.values()] for m in (first, second)]
        values = [alone, first.weight, second.weight]
        values += [v for state in states for v in state.values()]
        return [[names, hooks], [np.array(v.detach().numpy()) for v in values]]

    compare(scenario)


def mistakes(f: Any) -> dict[str, Callable[[], Any]]:
    """Calls that raise, by name."""
    nn, prune = f.nn, f.nn.utils.prune
    register = nn.utils.parametrize.register_parametrization
    given = nn.utils.parametrizations

    class Returns(nn.Module):
        def __init__(self, forward, back=None):
            super().__init__()
            self.make = forward
            if back is not None:
                self.right_inverse = back

        def forward(self, X):
            return self.make(X)

    def keep(x):
        return x

    def chained(*args):
        return register(
            register(nn.Linear(2, 2), "weight", Returns(keep)), "weight", Returns(*args)
        )

    class Structured(prune.BasePruningMethod):
        PRUNING_TYPE = "structured"

        def compute_mask(self, t, default_mask):
            return default_mask

    def pruned():
        return prune.identity(nn.Linear(2, 2), "weight")

    def linear(*args):
        return register(nn.Linear(2, 2), "weight", Returns(*args))

    return {
        "no such name": lambda: register(nn.Linear(2, 2), "w", Returns(keep)),
        "no modules": lambda: nn.utils.parametrize.ParametrizationList([], f.ones(2)),
        "shape": lambda: linear(lambda x: x[0]),
        "dtype": lambda: linear(lambda x: x.double()),
        "no tensor": lambda: linear(lambda x: 3),
        "inverse dtype": lambda: linear(keep, lambda x: x.double()),
        "inverse no tensor": lambda: linear(keep, lambda x: 3),
        "inverse of numbers": lambda: linear(keep, lambda x: [1, 2]),
        "chained shape": lambda: chained(lambda x: x[0]),
        "chained dtype": lambda: chained(lambda x: x.double()),
        "chained no tensor": lambda: chained(lambda x: None),
        "chained inverse shape": lambda: chained(keep, lambda x: x[0]),
        "chained inverse dtype": lambda: chained(keep, lambda x: x.double()),
        "chained inverse no tensor": lambda: chained(keep, lambda x: 1),
        "assigned without inverse": lambda: setattr(linear(keep), "weight", f.ones(2, 2)),
        "assigned dtype": lambda: setattr(
            given.spectral_norm(nn.Linear(2, 2)), "weight", f.ones(2, 2).double()
        ),
        "not parametrized": lambda: nn.utils.parametrize.remove_parametrizations(
            nn.Linear(2, 2), "weight"
        ),
        "several originals": lambda: nn.utils.parametrize.remove_parametrizations(
            given.weight_norm(nn.Linear(2, 2)), "weight", leave_parametrized=False
        ),
        "orthogonal vector": lambda: given.orthogonal(nn.Linear(2, 2), "bias"),
        "orthogonal name": lambda: given.orthogonal(nn.Linear(2, 2), "w"),
        "orthogonal map": lambda: given.orthogonal(nn.Linear(2, 2), "weight", "qr"),
        "orthogonal shape": lambda: setattr(
            given.orthogonal(nn.Linear(2, 2)), "weight", f.ones(3, 3)
        ),
        "cayley assigned": lambda: setattr(
            given.orthogonal(nn.Linear(2, 2), "weight", "cayley", use_trivialization=False),
            "weight",
            f.eye(2),
        ),
        "spectral name": lambda: given.spectral_norm(nn.Linear(2, 2), "w"),
        "spectral dim": lambda: given.spectral_norm(nn.Linear(2, 2), dim=2),
        "spectral iterations": lambda: given.spectral_norm(nn.Linear(2, 2), n_power_iterations=0),
        "amount type": lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", "all"),
        "amount negative": lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", -1),
        "amount share": lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 1.5),
        "amount count": lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 9),
        "structured vector": lambda: prune.ln_structured(nn.Linear(2, 2), "bias", 1, 2, 0),
        "structured dim": lambda: prune.ln_structured(nn.Linear(2, 2), "weight", 1, 2, 3),
        "random structured vector": lambda: prune.random_structured(nn.Linear(2, 2), "bias", 1, 0),
        "mask shape": lambda: prune.custom_from_mask(nn.Linear(2, 2), "weight", f.ones(3)),
        "scores shape": lambda: prune.l1_unstructured(
            nn.Linear(2, 2), "weight", 1, importance_scores=f.ones(3)
        ),
        "prune scores shape": lambda: prune.L1Unstructured(1).prune(f.ones(2), None, f.ones(3)),
        "prune no name": lambda: prune.identity(nn.Linear(2, 2), "w"),
        "remove not pruned": lambda: prune.remove(nn.Linear(2, 2), "weight"),
        "global structured": lambda: prune.global_unstructured(
            [(nn.Linear(2, 2), "weight")], prune.LnStructured, amount=1, n=2
        ),
        "global no pairs": lambda: prune.global_unstructured(3, prune.L1Unstructured, amount=1),
        "global scores": lambda: prune.global_unstructured(
            [(nn.Linear(2, 2), "weight")], prune.L1Unstructured, importance_scores=[], amount=1
        ),
        "container of another kind": lambda: prune.PruningContainer().add_pruning_method(3),
        "structured without dim": lambda: Structured.apply(pruned(), "weight"),
        "abstract": lambda: prune.BasePruningMethod(),
    }


@pytest.mark.parametrize("name", mistakes(plait))
def test_mistakes_raise_alike(name) -> None:
    raised = []
    for framework in (plait, torch):
        with pytest.raises(Exception) as caught:
            mistakes(framework)[name]()
        raised.append(caught.value)
    ours, theirs = raised
    assert isinstance(ours, type(theirs)), (ours, theirs)
    assert str(ours)
