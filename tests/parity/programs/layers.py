"""Programs about modules: their parts, states, hooks, and layers that hold others."""

from __future__ import annotations

from typing import Any


def _net(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )


def parts(torch: Any) -> Any:
    net = _net(torch)
    net.add_module("last", torch.nn.Tanh())
    net.register_buffer("seen", torch.zeros(2))
    net.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
    return [
        repr(net),
        [name for name, _ in net.named_parameters()],
        [tuple(p.shape) for p in net.parameters()],
        [name for name, _ in net.named_modules()],
        [type(m).__name__ for m in net.modules()],
        [type(m).__name__ for m in net.children()],
        [name for name, _ in net.named_children()],
        [name for name, _ in net.named_buffers()],
        list(net.state_dict()),
        net.get_submodule("0").extra_repr(),
        net.get_parameter("0.bias").shape,
        net.eval().training,
        net.train().training,
        net.requires_grad_(False)[0].weight.requires_grad,
        str(net.to(torch.float64)[0].weight.dtype),
        str(net.half()[0].weight.dtype),
        str(net.float()[0].weight.dtype),
        str(net.double()[0].weight.dtype),
        str(net.cpu()[0].weight.device),
        str(net.type(torch.float32)[0].weight.dtype),
        net.to_empty(device="cpu")[0].weight.shape,
    ]


def states(torch: Any) -> Any:
    net, other = _net(torch), _net(torch)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(2)
    keys = other.load_state_dict(net.state_dict())
    partly = other.load_state_dict({"0.bias": torch.ones(4)}, strict=False)
    net.zero_grad()
    return [str(keys), list(partly.missing_keys), other[0].bias, other[3].weight]


def bad_states(torch: Any) -> Any:
    return _net(torch).load_state_dict({"0.weight": torch.ones(5)})


def applied(torch: Any) -> Any:
    def fill(module: Any) -> None:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.constant_(module.weight, 0.5)

    net = _net(torch).apply(fill)
    return [net[0].weight, net(torch.ones(2, 3)).shape]


def hooks(torch: Any) -> Any:
    net, seen = _net(torch), []
    net[0].register_forward_hook(lambda m, given, made: seen.append(tuple(made.shape)))
    net[3].register_forward_pre_hook(lambda m, given: (given[0] * 0,))
    result = net(torch.ones(2, 3))
    return [seen, result]


def holders(torch: Any) -> Any:
    torch.manual_seed(0)
    lists = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.ReLU()])
    lists.append(torch.nn.Tanh())
    named = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 1)})
    values = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2))])
    return [
        repr(lists), len(lists), repr(named), list(named), repr(values), len(list(values)),
        isinstance(torch.nn.parameter.Parameter(torch.ones(1)), torch.nn.Parameter),
        [type(m).__name__ for m in lists[1:]],
    ]  # fmt: skip


def own_module(torch: Any) -> Any:
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, x):
            return x * self.scale

        def extra_repr(self):
            return "own"

    module = Scaled()
    module(torch.ones(2)).sum().backward()
    return [repr(module), module.scale.grad, list(module.state_dict())]


def dropouts(torch: Any) -> Any:
    x = torch.ones(2, 3, 4, 4)
    kept = torch.nn.Dropout(0.5)(torch.ones(10000))
    return [
        torch.nn.Dropout(0.3).eval()(x),
        torch.nn.Dropout2d(0.3).eval()(x),
        torch.nn.Dropout2d(0.0)(x),
        sorted(set(kept.tolist())),
        abs(kept.mean().item() - 1) < 0.05,
    ]


def functionals(torch: Any) -> Any:
    F = torch.nn.functional
    x = torch.arange(6.0, dtype=torch.float64).reshape(2, 3) - 2
    blocks = torch.arange(16.0, dtype=torch.float64).reshape(1, 4, 4)
    theta = torch.tensor([[[1.0, 0.5, 0.0], [0.0, 1.0, 0.25]]])
    return [
        torch.nn.functional.sigmoid(x), torch.nn.functional.tanh(x), F.softmax(x, 1),
        torch.nn.functional.softmax(x, dim=0, dtype=torch.float32),
        torch.nn.functional.log_softmax(x, -1),
        torch.nn.functional.one_hot(torch.tensor([0, 2, 1]), 4),
        torch.nn.functional.fold(blocks, (3, 3), 2),
        torch.nn.functional.affine_grid(theta, [1, 1, 3, 4]),
        torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]),
        torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True),
        torch.nn.ConstantPad2d(1, 2.0)(blocks),
        torch.nn.AdaptiveAvgPool3d(2)(torch.arange(64.0).reshape(1, 1, 4, 4, 4)),
    ]  # fmt: skip


def decoders(torch: Any) -> Any:
    torch.manual_seed(0)
    layer = torch.nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    decoder = torch.nn.TransformerDecoder(layer, 2).double()
    with torch.no_grad():
        for n, p in enumerate(decoder.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float64) + n).reshape(p.shape))
    x = torch.cos(torch.arange(24.0, dtype=torch.float64)).reshape(2, 3, 4)
    return decoder(x, x.flip(1))


def sequences(torch: Any) -> Any:
    rnn = torch.nn.utils.rnn
    rows = [torch.arange(3.0), torch.arange(5.0), torch.arange(1.0)]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        padded, torch.tensor([3, 5, 1]), batch_first=True, enforce_sorted=False
    )
    return [padded, packed.data, packed.batch_sizes, rnn.pad_packed_sequence(packed)]


def clipped(torch: Any) -> Any:
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    x.grad = torch.tensor([3.0, 4.0])
    norm = torch.nn.utils.clip_grad_norm_([x], 1.0)
    clipped_grad = x.grad.clone()
    torch.nn.utils.clip_grad_value_([x], 0.7)
    return [norm, clipped_grad, x.grad]


def parametrized(torch: Any) -> Any:
    class Symmetric(torch.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(0, 1)

    layer = torch.nn.Linear(3, 3)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    return [repr(layer), list(layer.state_dict()), (layer.weight - layer.weight.T).abs().max()]


def private_names(torch: Any) -> Any:
    from_utils = torch.nn.modules.utils._pair(3), torch.nn.modules.utils._pair((1, 2))
    activation = torch.nn.modules.transformer._get_activation_fn("relu")
    return [
        from_utils,
        activation(torch.tensor([-1.0, 2.0])),
        issubclass(torch.nn.BatchNorm2d, torch.nn.modules.batchnorm._BatchNorm),
        issubclass(torch.nn.InstanceNorm2d, torch.nn.modules.instancenorm._InstanceNorm),
        issubclass(torch.nn.SyncBatchNorm, torch.nn.modules.batchnorm.SyncBatchNorm),
        repr(torch.nn.DataParallel(torch.nn.Linear(1, 1)).module),
    ]
