"""`Module`: attributes, registration, walking, conversion, printing, copying."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest

import plait
from plait import nn


class Net(nn.Module):
    """Two layers, one shared; a buffer that is saved and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.scale = nn.Parameter(plait.ones(1))
        self.register_buffer("count", plait.zeros(1))
        self.register_buffer("scratch", plait.zeros(2), persistent=False)

    def forward(self, x):
        return self.second(self.first(x)) * self.scale


def test_names_of_members() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale",
        "first.weight",
        "first.bias",
        "second.0.weight",
        "second.0.bias",
    ]
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "second", "second.0", "second.1"]
    assert [n for n, _ in net.named_children()] == ["first", "second"]
    assert len(list(net.parameters())) == 5


def test_shared_members_come_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, layer)
    assert [n for n, _ in twice.named_modules()] == ["", "0"]
    assert [n for n, _ in twice.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_assignment_moves_between_kinds() -> None:
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(plait.ones(1))
    assert "x" not in module.__dict__ and "x" in module._parameters
    module.x = None
    assert module.x is None and list(module.parameters()) == []
    module.y = nn.Linear(1, 1)
    module.y = nn.Parameter(plait.ones(1))
    assert list(module._modules) == [] and list(module._parameters) == ["x", "y"]
    module.b = nn.Buffer(plait.ones(1))
    module.b = plait.zeros(1)
    assert module._buffers["b"].item() == 0
    module.c = nn.Buffer(plait.ones(1), persistent=False)
    assert list(module.state_dict()) == ["y", "b"]
    del module.c, module.y
    assert not hasattr(module, "c") and not hasattr(module, "y")
    assert module._non_persistent_buffers_set == set()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight", 3, "cannot assign 'int' as parameter 'weight' "
         "(torch.nn.Parameter or None expected)"),
        ("child", 3, "cannot assign 'int' as child module 'child' "
         "(torch.nn.Module or None expected)"),
        ("buf", "a", "cannot assign 'str' as buffer 'buf' "
         "(torch.nn.Buffer, torch.Tensor or None expected)"),
    ],
)  # fmt: skip
def test_assigning_another_kind_is_refused(name, value, message) -> None:
    module = nn.Module()
    module.weight = nn.Parameter(plait.ones(1))
    module.child = nn.Identity()
    module.register_buffer("buf", None)
    with pytest.raises(TypeError) as error:
        setattr(module, name, value)
    assert str(error.value).startswith(message + "\n  at " + __file__)


def test_members_before_init_are_refused() -> None:
    class Early(nn.Module):
        def __init__(self, value):
            self.member = value

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\)"):
        Early(nn.Identity())
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__"):
        Early(nn.Parameter(plait.ones(1)))


def test_names_are_checked() -> None:
    module = nn.Module()
    with pytest.raises(KeyError, match="parameter name can"):
        module.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="be empty string"):
        module.register_buffer("", None)
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        module.register_buffer("forward", None)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        module.add_module("a", 3)
    with pytest.raises(TypeError, match=r"parameter name should be a string\. Got int"):
        module.register_parameter(3, None)
    leaf = nn.Parameter(plait.ones(1))
    with pytest.raises(TypeError, match="object to parameter 'p'"):
        module.register_parameter("p", leaf * 2)
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'nothing'"):
        _ = module.nothing
    with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
        nn.Module(a=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(1)


def test_missing_forward() -> None:
    class Empty(nn.Module):
        pass

    message = r'Module \[Empty\] is missing the required "forward" function'
    with pytest.raises(NotImplementedError, match=message):
        Empty()(1)


def test_lookup_by_path() -> None:
    net = Net()
    assert net.get_submodule("second.0") is net.second[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("second.0.weight") is net.second[0].weight
    assert net.get_buffer("count") is net.count
    with pytest.raises(AttributeError, match="Net has no attribute `third`"):
        net.get_submodule("third.0")
    with pytest.raises(AttributeError, match=r"`weight` is not an nn\.Module"):
        net.get_submodule("first.weight")
    with pytest.raises(AttributeError, match=r"`count` is not an nn\.Parameter"):
        net.get_parameter("count")
    net.set_submodule("second.1", nn.Tanh())
    assert isinstance(net.second[1], nn.Tanh)
    with pytest.raises(AttributeError, match="has no attribute `new`"):
        net.set_submodule("second.new", nn.Tanh(), strict=True)


def test_training_flag_and_apply() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train(1)
    order = []
    net.apply(lambda module: order.append(type(module).__name__))
    assert order == ["Linear", "Linear", "ReLU", "Sequential", "Net"]


def test_conversion_keeps_identity_of_parameters() -> None:
    net = Net()
    net.register_buffer("index", plait.tensor([1, 2]))
    before = list(net.parameters())
    net(plait.ones(1, 2)).sum().backward()
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters()))
    assert all(p.dtype == plait.float64 and p.grad.dtype == plait.float64 for p in before)
    assert net.count.dtype == plait.float64 and net.index.dtype == plait.int64
    net.to(plait.float32)
    net.to("cpu", plait.float64)
    net.to(plait.ones(1, dtype=plait.float32))
    assert net.first.weight.dtype == plait.float32
    with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
        net.to(plait.int64)


def test_gradients_are_dropped_or_zeroed() -> None:
    net = Net()
    net(plait.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(float(p.grad.abs().sum()) == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_repr() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (second): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        ")"
    )
    layers = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n"
        "  (2): ReLU()\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ParameterList([plait.ones(2, 3)])) == (
        "ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])"
    )


def test_dir_lists_members() -> None:
    names = dir(Net())
    assert {"first", "scale", "count", "forward"} <= set(names)
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_copies_are_independent() -> None:
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert isinstance(twin.first.weight, nn.Parameter)
        assert twin.first.weight.requires_grad
        assert bool((twin.first.weight == net.first.weight).all())
        with plait.no_grad():
            twin.first.weight.zero_()
        assert float(net.first.weight.abs().sum()) > 0
        assert repr(twin) == repr(net)


def test_parameter() -> None:
    data = plait.ones(2)
    parameter = nn.Parameter(data)
    assert isinstance(parameter, plait.Tensor) and isinstance(parameter, nn.Parameter)
    assert parameter.requires_grad and parameter.is_leaf
    assert not isinstance(data, nn.Parameter)
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert repr(parameter).startswith("Parameter containing:\n")
    assert isinstance(nn.Buffer(data), nn.Buffer) and not isinstance(data, nn.Buffer)
    with plait.no_grad():
        assert nn.Parameter(data).requires_grad
    assert not isinstance(parameter * 2, nn.Parameter)


def test_lazy_layers_take_shapes_from_the_first_input() -> None:
    layer = nn.LazyLinear(3)
    assert layer(plait.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear and layer.weight.shape == (3, 5)
    assert isinstance(layer.weight, nn.Parameter)
    conv = nn.LazyConv2d(4, 3)
    assert conv(plait.ones(1, 2, 5, 5)).shape == (1, 4, 3, 3)
    assert type(conv) is nn.Conv2d and conv.in_channels == 2
    instance = nn.LazyInstanceNorm1d(affine=True)
    assert instance(plait.ones(2, 3, 4)).shape == (2, 3, 4) and instance.weight.shape == (3,)
    norm = nn.LazyBatchNorm1d()
    assert norm(plait.ones(4, 3)).shape == (4, 3)
    assert list(norm.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]


def test_sequential_is_a_list() -> None:
    net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert list(net._modules) == ["a", "b"]
    assert isinstance(net[-1], nn.Tanh) and isinstance(net[:1], nn.Sequential)
    net.append(nn.Sigmoid())
    net.insert(1, nn.Identity())
    assert [type(m).__name__ for m in net] == ["ReLU", "Identity", "Tanh", "Sigmoid"]
    assert isinstance(net.pop(1), nn.Identity)
    del net[0]
    assert [type(m).__name__ for m in net] == ["Tanh", "Sigmoid"]
    assert len(net + nn.Sequential(nn.ReLU())) == 3 and len(net * 2) == 4
    net.extend([nn.ReLU()])
    net[0] = nn.ELU()
    assert [type(m).__name__ for m in net] == ["ELU", "Sigmoid", "ReLU"]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        _ = net[3]


def test_module_list_and_dict() -> None:
    layers = nn.ModuleList([nn.ReLU()])
    layers += [nn.Tanh()]
    layers.insert(0, nn.Sigmoid())
    assert [type(m).__name__ for m in layers] == ["Sigmoid", "ReLU", "Tanh"]
    assert isinstance(layers[1:], nn.ModuleList) and len(layers + layers) == 6
    del layers[0]
    assert list(layers._modules) == ["0", "1"]
    with pytest.raises(TypeError, match="should be called with an iterable, but got int"):
        layers.extend(3)
    named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    named.update([("c", nn.ELU())])
    assert list(named) == ["a", "b", "c"] and "a" in named and len(named) == 3
    assert isinstance(named.pop("a"), nn.ReLU) and list(named.keys()) == ["b", "c"]
    with pytest.raises(ValueError, match="element #0 has length 1; 2 is required"):
        named.update([("d",)])


def test_parameter_containers() -> None:
    listed = nn.ParameterList([plait.ones(1), plait.ones(2)])
    listed.append(nn.Parameter(plait.ones(3)))
    assert [p.numel() for p in listed] == [1, 2, 3] and len(list(listed.parameters())) == 3
    assert isinstance(listed[1:], nn.ParameterList) and listed[-1].numel() == 3
    named = nn.ParameterDict({"a": plait.ones(1)})
    named["b"] = plait.ones(2)
    assert list(named.keys()) == ["a", "b"] and list(named.state_dict()) == ["a", "b"]
    assert named.pop("a").numel() == 1 and "a" not in named
    with pytest.raises(RuntimeError, match="ParameterDict should not be called"):
        named(1)


def test_mistakes_with_the_adaptive_softmax():
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 10])
    x, targets = plait.randn(5, 16), plait.tensor([0, 3, 9, 12, 19])
    assert plait.allclose(layer.log_prob(x).exp().sum(1), plait.ones(5), atol=1e-5)
    assert layer(x[0], targets[0]).output.shape == ()
    for call, message in (
        (lambda: layer(x, targets[:2]), "same size in the batch dimension"),
        (lambda: layer(x, targets[0]), "0D target tensor expects 1D input"),
        (lambda: layer(x, targets + 1), r"should be in \[0, 19\]"),
        (lambda: layer(x, targets.view(5, 1)), "multi-target not supported"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()
    for cutoffs in ([], [5, 3], [20], [4, 4]):
        with pytest.raises(ValueError, match="cutoffs should be a sequence"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)
