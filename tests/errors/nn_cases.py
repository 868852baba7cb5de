"""Bad input to modules, losses, optimizers, schedulers, autograd and data loading."""

from __future__ import annotations

from typing import Any

from tests.errors.case import Case


def _state_of_other_size(t: Any) -> None:
    t.nn.Linear(2, 3).load_state_dict(t.nn.Linear(2, 4).state_dict())


def _state_with_missing_key(t: Any) -> None:
    t.nn.Linear(2, 3).load_state_dict({"weight": t.zeros(3, 2)})


def _state_with_unknown_key(t: Any) -> None:
    module = t.nn.Linear(2, 3)
    module.load_state_dict({**module.state_dict(), "scale": t.ones(1)})


def _optimizer_state_of_other_size(t: Any) -> None:
    saved = t.optim.SGD([t.ones(2, requires_grad=True)] * 1, lr=0.1).state_dict()
    two = [t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)]
    t.optim.SGD(two, lr=0.1).load_state_dict(saved)


def _shared_parameter(t: Any) -> None:
    weight = t.ones(2, requires_grad=True)
    t.optim.SGD([{"params": [weight]}, {"params": [weight]}], lr=0.1)


def _backward_twice(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def _write_to_leaf(t: Any) -> None:
    t.ones(2, requires_grad=True).add_(1)


def _write_to_view_of_leaf(t: Any) -> None:
    t.ones(2, requires_grad=True)[0] = 1.0


def _write_to_saved(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def _grad_of_unused(t: Any) -> None:
    x, y = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    t.autograd.grad((x * 2).sum(), y)


def _grad_of_wrong_shape(t: Any) -> None:
    t.ones(2, requires_grad=True).grad = t.ones(3)


def _read_bad_row(t: Any) -> None:
    class Rows(t.utils.data.Dataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, place: int) -> Any:
            return t.ones(place + 1)

    next(iter(t.utils.data.DataLoader(Rows(), batch_size=2)))


def _dataset(t: Any) -> Any:
    return t.utils.data.TensorDataset(t.ones(4, 2))


LAYERS = [
    Case(
        "linear", lambda t: t.nn.Linear(3, 2)(t.ones(4, 5)), RuntimeError, ("linear", "4x5", "3x2")
    ),
    Case(
        "linear_dtype",
        lambda t: t.nn.Linear(3, 2)(t.ones(4, 3, dtype=t.float64)),
        RuntimeError,
        ("linear", "float64", "float32"),
    ),
    Case(
        "conv_channels",
        lambda t: t.nn.Conv2d(3, 4, 3)(t.ones(1, 2, 8, 8)),
        RuntimeError,
        ("conv2d", "[1, 2, 8, 8]", "[4, 3, 3, 3]"),
    ),
    Case(
        "conv_rank",
        lambda t: t.nn.Conv2d(3, 4, 3)(t.ones(8, 8)),
        RuntimeError,
        ("conv2d", "[8, 8]"),
    ),
    Case(
        "conv_kernel",
        lambda t: t.nn.Conv2d(1, 1, 5)(t.ones(1, 1, 3, 3)),
        RuntimeError,
        ("conv2d", "(5 x 5)", "(3 x 3)"),
    ),
    Case(
        "conv_dtype",
        lambda t: t.nn.Conv2d(1, 1, 1)(t.ones(1, 1, 3, 3, dtype=t.float64)),
        RuntimeError,
        ("conv2d", "float64", "float32"),
    ),
    Case(
        "conv_groups",
        lambda t: t.nn.Conv2d(3, 4, 3, groups=2),
        ValueError,
        ("in_channels", "groups", "3", "2"),
    ),
    Case(
        "max_pool_rank", lambda t: t.nn.MaxPool2d(2)(t.ones(2)), RuntimeError, ("max_pool2d", "[2]")
    ),
    Case(
        "max_pool_size",
        lambda t: t.nn.MaxPool2d(4)(t.ones(1, 1, 2, 2)),
        RuntimeError,
        ("max_pool2d", "1x2x2"),
    ),
    Case(
        "max_pool_padding",
        lambda t: t.nn.MaxPool2d(2, padding=2)(t.ones(1, 1, 4, 4)),
        RuntimeError,
        ("max_pool2d", "2"),
    ),
    Case(
        "batch_norm_channels",
        lambda t: t.nn.BatchNorm2d(3)(t.ones(2, 4, 5, 5)),
        RuntimeError,
        ("batch_norm", "4", "3"),
    ),
    Case(
        "batch_norm_rank",
        lambda t: t.nn.BatchNorm2d(3)(t.ones(2, 3)),
        ValueError,
        ("BatchNorm2d", "4D", "[2, 3]"),
    ),
    Case(
        "batch_norm_one",
        lambda t: t.nn.BatchNorm1d(3)(t.ones(1, 3)),
        ValueError,
        ("batch_norm", "[1, 3]"),
    ),
    Case(
        "layer_norm",
        lambda t: t.nn.LayerNorm(3)(t.ones(2, 4)),
        RuntimeError,
        ("layer_norm", "[3]", "[2, 4]"),
    ),
    Case(
        "group_norm",
        lambda t: t.nn.GroupNorm(2, 3),
        ValueError,
        ("num_channels", "num_groups", "3", "2"),
    ),
    Case("dropout", lambda t: t.nn.Dropout(1.5), ValueError, ("dropout", "1.5")),
    Case(
        "embedding_dtype",
        lambda t: t.nn.Embedding(4, 2)(t.ones(2)),
        RuntimeError,
        ("embedding", "FloatTensor"),
    ),
    Case("lstm", lambda t: t.nn.LSTM(3, 4)(t.ones(2, 1, 5)), RuntimeError, ("LSTM", "3", "5")),
    Case("lstm_rank", lambda t: t.nn.LSTM(3, 4)(t.ones(3)), ValueError, ("LSTM", "1D")),
    Case(
        "attention_heads",
        lambda t: t.nn.MultiheadAttention(5, 2),
        AssertionError,
        ("embed_dim", "num_heads", "5", "2"),
    ),
    Case(
        "pad",
        lambda t: t.nn.functional.pad(t.ones(2), (1, 1, 1, 1)),
        RuntimeError,
        ("pad", "[2]", "4"),
    ),
    Case(
        "upsample",
        lambda t: t.nn.functional.interpolate(t.ones(1, 1, 4, 4)),
        ValueError,
        ("size", "scale_factor"),
    ),
    Case(
        "pixel_shuffle",
        lambda t: t.nn.PixelShuffle(2)(t.ones(1, 3, 2, 2)),
        RuntimeError,
        ("pixel_shuffle", "3"),
    ),
    Case(
        "sdpa",
        lambda t: t.nn.functional.scaled_dot_product_attention(
            t.ones(1, 2, 3), t.ones(1, 2, 4), t.ones(1, 2, 4)
        ),
        RuntimeError,
        ("[1, 2, 3]", "[1, 2, 4]"),
    ),
    Case("sequential_index", lambda t: t.nn.Sequential(t.nn.ReLU())[1], IndexError, ("index 1",)),
    Case("module_list_item", lambda t: t.nn.ModuleList([3]), TypeError, ("int", "Module")),
    Case("buffer_kind", lambda t: t.nn.Module().register_buffer("a", 3), TypeError, ("int", "'a'")),
    Case(
        "parameter_int",
        lambda t: t.nn.Parameter(t.ones(2, dtype=t.int64)),
        RuntimeError,
        ("float",),
    ),
    Case("to_int", lambda t: t.nn.Linear(2, 2).to(t.int64), TypeError, ("int64",)),
    Case(
        "forward_missing",
        lambda t: t.nn.Module()(t.ones(2)),
        NotImplementedError,
        ("Module", "forward"),
    ),
    Case("load_size", _state_of_other_size, RuntimeError, ("Linear", "weight", "[4, 2]", "[3, 2]")),
    Case("load_missing", _state_with_missing_key, RuntimeError, ("Linear", "Missing", "bias")),
    Case("load_unknown", _state_with_unknown_key, RuntimeError, ("Linear", "Unexpected", "scale")),
    Case(
        "load_kind",
        lambda t: t.nn.Linear(2, 2).load_state_dict(3),
        TypeError,
        ("state_dict", "int"),
    ),
    Case(
        "init_rank",
        lambda t: t.nn.init.xavier_uniform_(t.ones(2)),
        ValueError,
        ("2 dimensions", "[2]"),
    ),
]

LOSSES = [
    Case(
        "label",
        lambda t: t.nn.functional.cross_entropy(t.zeros(2, 3), t.tensor([0, 3])),
        IndexError,
        ("cross_entropy", "Target 3", "[2]", "3 classes"),
    ),
    Case(
        "label_negative",
        lambda t: t.nn.functional.cross_entropy(t.zeros(2, 3), t.tensor([0, -1])),
        IndexError,
        ("cross_entropy", "Target -1", "[2]"),
    ),
    Case(
        "nll_label",
        lambda t: t.nn.functional.nll_loss(t.zeros(2, 3), t.tensor([0, 7])),
        IndexError,
        ("nll_loss", "Target 7"),
    ),
    Case(
        "batch",
        lambda t: t.nn.CrossEntropyLoss()(t.zeros(2, 3), t.tensor([0])),
        ValueError,
        ("cross_entropy", "(2)", "[1]"),
    ),
    Case(
        "label_dtype",
        lambda t: t.nn.CrossEntropyLoss()(t.zeros(2, 3), t.tensor([0, 1], dtype=t.int32)),
        RuntimeError,
        ("cross_entropy", "Int"),
    ),
    Case(
        "weight",
        lambda t: t.nn.CrossEntropyLoss(weight=t.ones(2))(t.zeros(2, 3), t.tensor([0, 1])),
        RuntimeError,
        ("cross_entropy", "[2]", "3"),
    ),
    Case(
        "bce_shape",
        lambda t: t.nn.BCELoss()(t.zeros(2, 1), t.zeros(2)),
        ValueError,
        ("[2, 1]", "[2]"),
    ),
    Case(
        "bce_range",
        lambda t: t.nn.BCELoss()(t.tensor([1.5]), t.zeros(1)),
        RuntimeError,
        ("binary_cross_entropy", "1.5"),
    ),
    Case(
        "bce_logits_shape",
        lambda t: t.nn.BCEWithLogitsLoss()(t.zeros(2, 1), t.zeros(2)),
        ValueError,
        ("[2, 1]", "[2]"),
    ),
    Case(
        "mse_shape",
        lambda t: t.nn.MSELoss()(t.zeros(2, 3), t.zeros(2)),
        RuntimeError,
        ("mse_loss", "[2, 3]", "[2]"),
    ),
    Case(
        "reduction",
        lambda t: t.nn.MSELoss(reduction="most")(t.zeros(2), t.zeros(2)),
        ValueError,
        ("reduction", "most"),
    ),
]

OPTIMIZERS = [
    Case("no_parameters", lambda t: t.optim.SGD([], lr=0.1), ValueError, ("empty parameter list",)),
    Case(
        "one_tensor", lambda t: t.optim.SGD(t.ones(2), lr=0.1), TypeError, ("params", "FloatTensor")
    ),
    Case("not_a_tensor", lambda t: t.optim.SGD([3], lr=0.1), TypeError, ("int",)),
    Case(
        "non_leaf",
        lambda t: t.optim.SGD([t.ones(2, requires_grad=True) * 2], lr=0.1),
        ValueError,
        ("non-leaf",),
    ),
    Case(
        "lr",
        lambda t: t.optim.SGD([t.ones(2, requires_grad=True)], lr=-1),
        ValueError,
        ("learning rate", "-1"),
    ),
    Case(
        "momentum",
        lambda t: t.optim.SGD([t.ones(2, requires_grad=True)], lr=1, momentum=-1),
        ValueError,
        ("momentum", "-1"),
    ),
    Case(
        "nesterov",
        lambda t: t.optim.SGD([t.ones(2, requires_grad=True)], lr=1, nesterov=True),
        ValueError,
        ("Nesterov", "momentum"),
    ),
    Case(
        "betas",
        lambda t: t.optim.Adam([t.ones(2, requires_grad=True)], betas=(1.0, 0.9)),
        ValueError,
        ("beta", "1.0"),
    ),
    Case(
        "eps",
        lambda t: t.optim.Adam([t.ones(2, requires_grad=True)], eps=-1),
        ValueError,
        ("epsilon", "-1"),
    ),
    Case("shared", _shared_parameter, ValueError, ("more than one parameter group",)),
    Case("load", _optimizer_state_of_other_size, ValueError, ("parameter group", "size")),
    Case("scheduler", lambda t: t.optim.lr_scheduler.StepLR(3, 1), TypeError, ("int", "Optimizer")),
]

AUTOGRAD = [
    Case(
        "not_scalar",
        lambda t: t.ones(2, requires_grad=True).backward(),
        RuntimeError,
        ("scalar", "[2]"),
    ),
    Case("no_grad", lambda t: t.ones(()).backward(), RuntimeError, ("does not require grad",)),
    Case(
        "gradient_shape",
        lambda t: (t.ones(2, requires_grad=True) * 2).backward(t.ones(3)),
        RuntimeError,
        ("[2]", "[3]"),
    ),
    Case("twice", _backward_twice, RuntimeError, ("second time", "retain_graph")),
    Case("leaf", _write_to_leaf, RuntimeError, ("leaf Variable", "in-place")),
    Case(
        "view_of_leaf",
        _write_to_view_of_leaf,
        RuntimeError,
        ("view of a leaf Variable", "in-place"),
    ),
    Case(
        "saved",
        _write_to_saved,
        RuntimeError,
        ("modified by an inplace operation", "Exp", "float32[2]"),
    ),
    Case("unused", _grad_of_unused, RuntimeError, ("allow_unused",)),
    Case("grad_shape", _grad_of_wrong_shape, RuntimeError, ("grad", "[2]", "[3]")),
    Case(
        "requires_grad",
        lambda t: setattr(t.ones(2, requires_grad=True) * 2, "requires_grad", False),
        RuntimeError,
        ("leaf",),
    ),
    Case(
        "deepcopy",
        lambda t: __import__("copy").deepcopy(t.ones(2, requires_grad=True) * 2),
        RuntimeError,
        ("deepcopy", "graph leaves"),
    ),
]

DATA = [
    Case(
        "tensor_dataset",
        lambda t: t.utils.data.TensorDataset(t.ones(2), t.ones(3)),
        AssertionError,
        ("2", "3"),
    ),
    Case(
        "batch_size",
        lambda t: t.utils.data.DataLoader(_dataset(t), batch_size=0),
        ValueError,
        ("batch_size", "0"),
    ),
    Case(
        "batch_size_kind",
        lambda t: t.utils.data.DataLoader(_dataset(t), batch_size="a"),
        ValueError,
        ("batch_size", "a"),
    ),
    Case(
        "workers",
        lambda t: t.utils.data.DataLoader(_dataset(t), num_workers=-1),
        ValueError,
        ("num_workers", "-1"),
    ),
    Case(
        "timeout",
        lambda t: t.utils.data.DataLoader(_dataset(t), timeout=-1),
        ValueError,
        ("timeout", "-1"),
    ),
    Case(
        "sampler_and_shuffle",
        lambda t: t.utils.data.DataLoader(_dataset(t), sampler=[0], shuffle=True),
        ValueError,
        ("sampler", "shuffle"),
    ),
    Case(
        "prefetch",
        lambda t: t.utils.data.DataLoader(_dataset(t), prefetch_factor=2),
        ValueError,
        ("prefetch_factor", "num_workers"),
    ),
    Case(
        "batch_sampler",
        lambda t: t.utils.data.DataLoader(_dataset(t), batch_sampler=[[0]], batch_size=2),
        ValueError,
        ("batch_sampler", "batch_size"),
    ),
    Case(
        "split",
        lambda t: t.utils.data.random_split(_dataset(t), [3, 2]),
        ValueError,
        ("length", "4", "5"),
    ),
    Case(
        "collate",
        lambda t: t.utils.data.default_collate([object()]),
        TypeError,
        ("default_collate", "object"),
    ),
    Case("rows", _read_bad_row, RuntimeError, ("stack", "[1]", "[2]")),
    Case(
        "samples",
        lambda t: t.utils.data.RandomSampler(_dataset(t), num_samples=-1),
        ValueError,
        ("num_samples", "-1"),
    ),
]

GROUPS = {
    "layers": LAYERS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "autograd": AUTOGRAD,
    "data": DATA,
}
