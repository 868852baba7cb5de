"""A hundred more mistakes with modules, optimizers, data and autograd: what is done, and the type.

Each takes the framework `t`. PyTorch raises the type given, and what it tells of the input (the
numbers in its text) Plait tells too: `test_more_types_torch.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Mistake = tuple[Callable[[Any], Any], type[BaseException]]


def _leaf(t: Any, *shape: int) -> Any:
    return t.ones(shape or (2,), requires_grad=True)


def _sgd(t: Any, **options: Any) -> Any:
    return t.optim.SGD([_leaf(t)], lr=0.1, **options)


MODULES: dict[str, Mistake] = {
    "linear no arguments": (lambda t: t.nn.Linear(), TypeError),
    "linear text": (lambda t: t.nn.Linear("3", 2), TypeError),
    "linear vector": (lambda t: t.nn.Linear(3, 2)(t.ones(4)), RuntimeError),
    "linear number": (lambda t: t.nn.Linear(3, 2)(3.0), TypeError),
    "linear unknown option": (lambda t: t.nn.Linear(3, 2, biases=True), TypeError),
    "bilinear features": (
        lambda t: t.nn.Bilinear(3, 4, 2)(t.ones(2, 3), t.ones(2, 3)),
        RuntimeError,
    ),
    "bilinear batch": (lambda t: t.nn.Bilinear(3, 4, 2)(t.ones(2, 3), t.ones(3, 4)), RuntimeError),
    "bilinear no features": (lambda t: t.nn.Bilinear(0, 4, 2), ValueError),
    "conv1d channels": (lambda t: t.nn.Conv1d(3, 4, 3)(t.ones(1, 2, 8)), RuntimeError),
    "conv3d rank": (lambda t: t.nn.Conv3d(1, 1, 1)(t.ones(2, 2)), RuntimeError),
    "conv kernel": (lambda t: t.nn.Conv1d(1, 1, 9)(t.ones(1, 1, 4)), RuntimeError),
    "conv out channels and groups": (lambda t: t.nn.Conv2d(4, 3, 1, groups=2), ValueError),
    "conv no groups": (lambda t: t.nn.Conv2d(4, 4, 1, groups=0), ValueError),
    "conv padding mode": (lambda t: t.nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError),
    "conv padding word": (lambda t: t.nn.Conv2d(1, 1, 3, padding="most"), ValueError),
    "conv same with stride": (
        lambda t: t.nn.Conv2d(1, 1, 3, padding="same", stride=2),
        ValueError,
    ),
    "conv stride": (lambda t: t.nn.Conv2d(1, 1, 3, stride=0)(t.ones(1, 1, 5, 5)), RuntimeError),
    "conv transpose channels": (
        lambda t: t.nn.ConvTranspose2d(3, 4, 3)(t.ones(1, 2, 8, 8)),
        RuntimeError,
    ),
    "conv transpose padding mode": (
        lambda t: t.nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
        ValueError,
    ),
    "conv transpose output size": (
        lambda t: t.nn.ConvTranspose2d(1, 1, 3, stride=2)(t.ones(1, 1, 4, 4), output_size=[20, 20]),
        ValueError,
    ),
    "max pool stride": (lambda t: t.nn.MaxPool2d(2, stride=0)(t.ones(1, 1, 4, 4)), RuntimeError),
    "avg pool padding": (lambda t: t.nn.AvgPool2d(2, padding=2)(t.ones(1, 1, 4, 4)), RuntimeError),
    "avg pool divisor": (
        lambda t: t.nn.AvgPool2d(2, divisor_override=0)(t.ones(1, 1, 4, 4)),
        RuntimeError,
    ),
    "adaptive pool sizes": (
        lambda t: t.nn.AdaptiveAvgPool2d((1, 2, 3))(t.ones(1, 1, 4, 4)),
        RuntimeError,
    ),
    "adaptive pool rank": (lambda t: t.nn.AdaptiveMaxPool2d(2)(t.ones(4, 4)), RuntimeError),
    "unpool indices": (
        lambda t: t.nn.MaxUnpool2d(2)(t.ones(1, 1, 2, 2), t.zeros(1, 1, 2, 3, dtype=t.int64)),
        RuntimeError,
    ),
    "batch norm 1d rank": (lambda t: t.nn.BatchNorm1d(3)(t.ones(2, 3, 4, 5)), ValueError),
    "batch norm eps": (lambda t: t.nn.BatchNorm1d(3, eps=0.0)(t.ones(2, 3)), ValueError),
    "instance norm rank": (lambda t: t.nn.InstanceNorm2d(3)(t.ones(3, 3)), ValueError),
    "instance norm one value": (
        lambda t: t.nn.InstanceNorm1d(3)(t.ones(2, 3, 1)),
        ValueError,
    ),
    "group norm channels": (lambda t: t.nn.GroupNorm(2, 4)(t.ones(2, 6, 3)), RuntimeError),
    "rms norm shape": (lambda t: t.nn.RMSNorm(3)(t.ones(2, 4)), RuntimeError),
    "local response rank": (lambda t: t.nn.LocalResponseNorm(2)(t.ones(2, 2)), ValueError),
    "dropout negative": (lambda t: t.nn.Dropout(-0.1), ValueError),
    "alpha dropout": (lambda t: t.nn.AlphaDropout(2.0), ValueError),
    "feature dropout": (lambda t: t.nn.functional.dropout2d(t.ones(2, 2, 2), 1.1), ValueError),
    "embedding index": (lambda t: t.nn.Embedding(4, 2)(t.tensor([4])), IndexError),
    "embedding padding": (lambda t: t.nn.Embedding(4, 2, padding_idx=4), AssertionError),
    "embedding weight": (lambda t: t.nn.Embedding(4, 2, _weight=t.ones(3, 2)), AssertionError),
    "embedding of a vector": (
        lambda t: t.nn.Embedding.from_pretrained(t.ones(3)),
        AssertionError,
    ),
    "embedding bag rank": (
        lambda t: t.nn.EmbeddingBag(4, 2)(t.zeros(1, 2, 3, dtype=t.int64)),
        ValueError,
    ),
    "embedding bag offsets": (
        lambda t: t.nn.EmbeddingBag(4, 2)(t.zeros(3, dtype=t.int64)),
        ValueError,
    ),
    "embedding bag mode": (
        lambda t: t.nn.EmbeddingBag(4, 2, mode="most")(t.zeros(1, 2, dtype=t.int64)),
        ValueError,
    ),
    "rnn nonlinearity": (lambda t: t.nn.RNN(3, 4, nonlinearity="most"), ValueError),
    "rnn dropout": (lambda t: t.nn.LSTM(3, 4, dropout=2.0), ValueError),
    "rnn layers": (lambda t: t.nn.GRU(3, 4, num_layers=0), ValueError),
    "rnn hidden size": (lambda t: t.nn.GRU(3, 0), ValueError),
    "rnn hidden text": (lambda t: t.nn.GRU(3, "4"), TypeError),
    "rnn state shape": (
        lambda t: t.nn.GRU(3, 4)(t.ones(2, 1, 3), t.zeros(1, 1, 5)),
        RuntimeError,
    ),
    "rnn state rank": (lambda t: t.nn.GRU(3, 4)(t.ones(2, 1, 3), t.zeros(1, 4)), RuntimeError),
    "lstm state shape": (
        lambda t: t.nn.LSTM(3, 4)(t.ones(2, 1, 3), (t.zeros(1, 1, 4), t.zeros(1, 2, 4))),
        RuntimeError,
    ),
    "lstm projection": (lambda t: t.nn.LSTM(3, 4, proj_size=4), ValueError),
    "cell rank": (lambda t: t.nn.LSTMCell(3, 4)(t.ones(1, 1, 3)), ValueError),
    "cell features": (lambda t: t.nn.GRUCell(3, 4)(t.ones(2, 5)), RuntimeError),
    "cell state": (lambda t: t.nn.RNNCell(3, 4)(t.ones(2, 3), t.ones(3, 4)), RuntimeError),
    "pack lengths": (
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2, 1), [1, 3]),
        RuntimeError,
    ),
    "pack no length": (
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2, 1), [3, 0]),
        RuntimeError,
    ),
    "attention embedding": (
        lambda t: t.nn.MultiheadAttention(4, 2)(t.ones(2, 1, 6), t.ones(2, 1, 6), t.ones(2, 1, 6)),
        AssertionError,
    ),
    "attention mask": (
        lambda t: t.nn.MultiheadAttention(4, 2)(
            t.ones(2, 1, 4), t.ones(2, 1, 4), t.ones(2, 1, 4), attn_mask=t.zeros(3, 3)
        ),
        RuntimeError,
    ),
    "transformer features": (
        lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 1, 4), t.ones(2, 1, 6)),
        RuntimeError,
    ),
    "transformer batch": (
        lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 1, 4), t.ones(2, 3, 4)),
        RuntimeError,
    ),
    "transformer activation": (
        lambda t: t.nn.TransformerEncoderLayer(4, 2, 8, activation="most"),
        RuntimeError,
    ),
    "softmax axis": (lambda t: t.nn.Softmax(3)(t.ones(2, 2)), IndexError),
    "softmax 2d rank": (lambda t: t.nn.Softmax2d()(t.ones(2, 2)), ValueError),
    "glu odd": (lambda t: t.nn.GLU()(t.ones(3)), RuntimeError),
    "prelu parameters": (lambda t: t.nn.PReLU(3)(t.ones(2, 4)), RuntimeError),
    "hardtanh bounds": (lambda t: t.nn.Hardtanh(1.0, -1.0), AssertionError),
    "unflatten sizes": (lambda t: t.nn.Unflatten(1, (2, 2))(t.ones(1, 5)), RuntimeError),
    "unflatten kind": (lambda t: t.nn.Unflatten(1, 2), TypeError),
    "flatten axes": (lambda t: t.nn.Flatten(2, 1)(t.ones(2, 2, 2)), RuntimeError),
    "pixel unshuffle": (lambda t: t.nn.PixelUnshuffle(2)(t.ones(1, 1, 3, 3)), RuntimeError),
    "reflection pad": (lambda t: t.nn.ReflectionPad1d(4)(t.ones(1, 1, 3)), RuntimeError),
    "circular pad": (lambda t: t.nn.CircularPad1d(4)(t.ones(1, 1, 3)), RuntimeError),
    "upsample mode": (
        lambda t: t.nn.Upsample(scale_factor=2, mode="cubic")(t.ones(1, 1, 2)),
        NotImplementedError,
    ),
    "upsample two sizes": (
        lambda t: t.nn.Upsample(size=2, scale_factor=2)(t.ones(1, 1, 2)),
        ValueError,
    ),
    "fold size": (lambda t: t.nn.Fold((4, 4), 2)(t.ones(1, 4, 5)), RuntimeError),
    "channel shuffle": (lambda t: t.nn.ChannelShuffle(2)(t.ones(1, 3, 2, 2)), RuntimeError),
    "cosine similarity": (
        lambda t: t.nn.CosineSimilarity()(t.ones(2, 3), t.ones(2, 4)),
        RuntimeError,
    ),
    "grid sample": (
        lambda t: t.nn.functional.grid_sample(t.ones(1, 1, 2, 2), t.ones(2, 2, 2, 2)),
        RuntimeError,
    ),
    "one hot": (lambda t: t.nn.functional.one_hot(t.tensor([3]), 2), RuntimeError),
    "one hot float": (lambda t: t.nn.functional.one_hot(t.ones(2)), RuntimeError),
    "module attribute": (lambda t: t.nn.Linear(2, 2).weights, AttributeError),
    "module list of one": (lambda t: t.nn.ModuleList(t.nn.ReLU()), TypeError),
    "module list index": (lambda t: t.nn.ModuleList([t.nn.ReLU()])[2], IndexError),
    "module dict key": (lambda t: t.nn.ModuleDict({"a": t.nn.ReLU()})["b"], KeyError),
    "module dict of numbers": (lambda t: t.nn.ModuleDict({"a": 3}), TypeError),
    "sequential of numbers": (lambda t: t.nn.Sequential(3), TypeError),
    "parameter list index": (
        lambda t: t.nn.ParameterList([t.nn.Parameter(t.ones(1))])[1],
        IndexError,
    ),
    "parameter of a list": (lambda t: t.nn.Parameter([1.0]), AttributeError),
    "assign tensor to parameter": (
        lambda t: setattr(t.nn.Linear(2, 2), "weight", t.ones(2, 2)),
        TypeError,
    ),
    "assign number to module": (
        lambda t: setattr(t.nn.Sequential(t.nn.ReLU()), "0", 3),
        TypeError,
    ),
    "assign before init": (lambda t: _early(t), AttributeError),
    "register dotted": (
        lambda t: t.nn.Module().register_parameter("a.b", t.nn.Parameter(t.ones(1))),
        KeyError,
    ),
    "register empty": (lambda t: t.nn.Module().register_buffer("", t.ones(1)), KeyError),
    "register twice": (
        lambda t: t.nn.Linear(2, 2).register_buffer("forward", t.ones(1)),
        KeyError,
    ),
    "register no leaf": (
        lambda t: t.nn.Module().register_parameter("a", _leaf(t) * 2),
        TypeError,
    ),
    "add module kind": (lambda t: t.nn.Module().add_module("a", 3), TypeError),
    "submodule name": (lambda t: t.nn.Linear(2, 2).get_submodule("a"), AttributeError),
    "parameter name": (lambda t: t.nn.Linear(2, 2).get_parameter("a"), AttributeError),
    "train kind": (lambda t: t.nn.Linear(2, 2).train("yes"), ValueError),
    "ctc lengths": (lambda t: t.nn.CTCLoss()(t.ones(2, 2), t.ones(2), 1, 1), TypeError),
}


def _early(t: Any) -> None:
    class Early(t.nn.Module):
        def __init__(self) -> None:
            self.layer = t.nn.Linear(2, 2)

    Early()


OPTIMIZERS: dict[str, Mistake] = {
    "a number": (lambda t: t.optim.SGD(3, lr=0.1), TypeError),
    "no required lr of a group": (lambda t: t.optim.SGD([{"params": []}], lr=-0.1), ValueError),
    "group without params": (lambda t: t.optim.SGD([{"lr": 0.1}], lr=0.1), KeyError),
    "group kind": (lambda t: _sgd(t).add_param_group([_leaf(t)]), TypeError),
    "group again": (lambda t: _again(t), ValueError),
    "unknown option": (lambda t: _sgd(t, speed=1), TypeError),
    "adam weight decay": (lambda t: t.optim.Adam([_leaf(t)], weight_decay=-1), ValueError),
    "adamw betas": (lambda t: t.optim.AdamW([_leaf(t)], betas=(0.9, 1.5)), ValueError),
    "rmsprop alpha": (lambda t: t.optim.RMSprop([_leaf(t)], alpha=-1), ValueError),
    "adagrad decay": (lambda t: t.optim.Adagrad([_leaf(t)], lr_decay=-1), ValueError),
    "adadelta rho": (lambda t: t.optim.Adadelta([_leaf(t)], rho=1.5), ValueError),
    "rprop etas": (lambda t: t.optim.Rprop([_leaf(t)], etas=(1.5, 1.2)), ValueError),
    "lbfgs closure": (lambda t: t.optim.LBFGS([_leaf(t)]).step(), TypeError),
    "lbfgs groups": (
        lambda t: t.optim.LBFGS([{"params": [_leaf(t)]}, {"params": [_leaf(t)]}]),
        ValueError,
    ),
    "muon vector": (lambda t: t.optim.Muon([_leaf(t)]), ValueError),
    "adafactor clip": (lambda t: t.optim.Adafactor([_leaf(t)], d=0.5), ValueError),
    "dense gradient": (lambda t: _dense_gradient(t), RuntimeError),
    "load groups": (
        lambda t: _sgd(t).load_state_dict({"state": {}, "param_groups": []}),
        ValueError,
    ),
    "load without groups": (lambda t: _sgd(t).load_state_dict({"state": {}}), KeyError),
    "step lr without size": (lambda t: t.optim.lr_scheduler.StepLR(_sgd(t)), TypeError),
    "lambda count": (
        lambda t: t.optim.lr_scheduler.LambdaLR(_sgd(t), [lambda e: 1, lambda e: 1]),
        ValueError,
    ),
    "plateau factor": (
        lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(_sgd(t), factor=1.0),
        ValueError,
    ),
    "plateau mode": (
        lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(_sgd(t), mode="most"),
        ValueError,
    ),
    "plateau without a metric": (
        lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(_sgd(t)).step(),
        TypeError,
    ),
    "one cycle without steps": (
        lambda t: t.optim.lr_scheduler.OneCycleLR(_sgd(t), max_lr=1.0),
        ValueError,
    ),
    "one cycle share": (
        lambda t: t.optim.lr_scheduler.OneCycleLR(_sgd(t), 1.0, total_steps=5, pct_start=2.0),
        ValueError,
    ),
    "one cycle too long": (lambda t: _past_the_cycle(t), ValueError),
    "warm restarts": (
        lambda t: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(_sgd(t), T_0=0),
        ValueError,
    ),
    "cyclic momentum": (
        lambda t: t.optim.lr_scheduler.CyclicLR(t.optim.Adagrad([_leaf(t)]), 0.1, 1.0),
        ValueError,
    ),
    "linear factor": (
        lambda t: t.optim.lr_scheduler.LinearLR(_sgd(t), start_factor=0.0),
        ValueError,
    ),
    "resumed schedule": (
        lambda t: t.optim.lr_scheduler.StepLR(_sgd(t), 1, last_epoch=3),
        KeyError,
    ),
    "clip nothing finite": (lambda t: _clip_infinite(t), RuntimeError),
    "vector length": (
        lambda t: t.nn.utils.vector_to_parameters([1.0], [_leaf(t)]),
        TypeError,
    ),
}


def _again(t: Any) -> None:
    optimizer = _sgd(t)
    optimizer.add_param_group({"params": optimizer.param_groups[0]["params"]})


def _dense_gradient(t: Any) -> None:
    weight = _leaf(t)
    weight.sum().backward()
    t.optim.SparseAdam([weight]).step()


def _past_the_cycle(t: Any) -> None:
    optimizer = _sgd(t, momentum=0.9)
    scheduler = t.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=2)
    for _ in range(4):
        optimizer.step()
        scheduler.step()


def _clip_infinite(t: Any) -> None:
    weight = _leaf(t)
    weight.grad = t.full((2,), float("inf"))
    t.nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)


DATA: dict[str, Mistake] = {
    "iterable with a sampler": (
        lambda t: t.utils.data.DataLoader(_stream(t), sampler=[0]),
        ValueError,
    ),
    "iterable with shuffle": (
        lambda t: t.utils.data.DataLoader(_stream(t), shuffle=True),
        ValueError,
    ),
    "drop last without batches": (
        lambda t: t.utils.data.DataLoader([1], batch_size=None, drop_last=True),
        ValueError,
    ),
    "persistent without workers": (
        lambda t: t.utils.data.DataLoader([1], persistent_workers=True),
        ValueError,
    ),
    "timeout without workers": (
        lambda t: next(iter(t.utils.data.DataLoader([1], timeout=3))),
        AssertionError,
    ),
    "set batch size later": (
        lambda t: setattr(t.utils.data.DataLoader([1]), "batch_size", 2),
        ValueError,
    ),
    "multiprocessing word": (
        lambda t: t.utils.data.DataLoader([1], num_workers=1, multiprocessing_context="most"),
        ValueError,
    ),
    "dataset without rows": (
        lambda t: next(iter(t.utils.data.DataLoader(t.utils.data.Dataset(), sampler=[0]))),
        NotImplementedError,
    ),
    "no rows to shuffle": (
        lambda t: t.utils.data.RandomSampler([], num_samples=0),
        ValueError,
    ),
    "replacement word": (lambda t: t.utils.data.RandomSampler([1], replacement=3), TypeError),
    "weighted samples": (
        lambda t: t.utils.data.WeightedRandomSampler([1.0], 0),
        ValueError,
    ),
    "weighted rank": (
        lambda t: t.utils.data.WeightedRandomSampler([[1.0]], 1),
        ValueError,
    ),
    "batch sampler size": (lambda t: t.utils.data.BatchSampler([0], 0, False), ValueError),
    "batch sampler last": (lambda t: t.utils.data.BatchSampler([0], 1, 3), ValueError),
    "concat nothing": (lambda t: t.utils.data.ConcatDataset([]), AssertionError),
    "concat streams": (lambda t: t.utils.data.ConcatDataset([_stream(t)]), AssertionError),
    "concat index": (lambda t: t.utils.data.ConcatDataset([[1]])[-2], ValueError),
    "chain of lists": (lambda t: list(t.utils.data.ChainDataset([[1]])), AssertionError),
    "split shares": (lambda t: t.utils.data.random_split([1], [0.7, 0.7]), ValueError),
    "split negative share": (lambda t: t.utils.data.random_split([1], [-0.5, 1.5]), ValueError),
    "subset index": (lambda t: t.utils.data.Subset([1], [3])[0], IndexError),
    "collate of mixed lengths": (
        lambda t: t.utils.data.default_collate([[1, 2], [1]]),
        RuntimeError,
    ),
    "collate of mixed keys": (
        lambda t: t.utils.data.default_collate([{"a": 1}, {"b": 1}]),
        KeyError,
    ),
    "collate of shapes": (
        lambda t: t.utils.data.default_collate([t.ones(2), t.ones(3)]),
        RuntimeError,
    ),
    "distributed rank": (
        lambda t: t.utils.data.DistributedSampler([1], num_replicas=2, rank=2),
        ValueError,
    ),
    "stack datasets": (lambda t: t.utils.data.StackDataset([1], [1, 2]), ValueError),
    "length of a stream": (lambda t: len(t.utils.data.DataLoader(_stream(t))), TypeError),
}


def _stream(t: Any) -> Any:
    class Stream(t.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            return iter([1])

    return Stream()


AUTOGRAD: dict[str, Mistake] = {
    "integer gradient": (lambda t: t.ones(2, dtype=t.int64).requires_grad_(), RuntimeError),
    "numpy of a gradient": (lambda t: _leaf(t).numpy(), RuntimeError),
    "item of many": (lambda t: _leaf(t).item(), RuntimeError),
    "gradient kind": (lambda t: setattr(_leaf(t), "grad", 3), TypeError),
    "gradient dtype": (lambda t: setattr(_leaf(t), "grad", t.ones(2).double()), RuntimeError),
    "grad of a vector": (lambda t: _grad_of(t, lambda x: x * 2), RuntimeError),
    "grad of no graph": (lambda t: t.autograd.grad(t.ones(()), _leaf(t)), RuntimeError),
    "grad without inputs": (lambda t: t.autograd.grad((_leaf(t) * 2).sum(), []), RuntimeError),
    "grad outputs shape": (
        lambda t: _grad_of(t, lambda x: x * 2, grad_outputs=t.ones(3)),
        RuntimeError,
    ),
    "grad freed": (lambda t: _grad_twice(t), RuntimeError),
    "backward inputs": (lambda t: (_leaf(t) * 2).sum().backward(inputs=[]), RuntimeError),
    "function instance": (lambda t: _function(t)()(_leaf(t)), RuntimeError),
    "function without forward": (
        lambda t: type("Empty", (t.autograd.Function,), {}).apply(_leaf(t)),
        NotImplementedError,
    ),
    "function gradients": (lambda t: _function(t).apply(_leaf(t)).sum().backward(), RuntimeError),
    "function without backward": (lambda t: _no_backward(t), NotImplementedError),
    "saved twice": (lambda t: _saved_after_backward(t), RuntimeError),
    "hook on a constant": (lambda t: t.ones(2).register_hook(lambda g: g), RuntimeError),
    "hook result": (lambda t: _hook_result(t), TypeError),
    "retain of a constant": (lambda t: t.ones(2).retain_grad(), RuntimeError),
    "jacobian of a list": (
        lambda t: t.autograd.functional.jacobian(lambda x: [x], t.ones(2)),
        TypeError,
    ),
    "hessian of a vector": (
        lambda t: t.autograd.functional.hessian(lambda x: x * 2, t.ones(2)),
        RuntimeError,
    ),
    "vjp without v": (
        lambda t: t.autograd.functional.vjp(lambda x: x * 2, t.ones(2)),
        RuntimeError,
    ),
    "gradcheck of wrong rule": (
        lambda t: t.autograd.gradcheck(
            lambda x: x.detach() * x, t.ones(2, dtype=t.float64, requires_grad=True)
        ),
        RuntimeError,
    ),
    "gradcheck of constants": (
        lambda t: t.autograd.gradcheck(lambda x: x, t.ones(2)),
        ValueError,
    ),
    "detached view written": (lambda t: _leaf(t).detach_().add_(1).backward(), RuntimeError),
    "set grad mode": (lambda t: t.set_grad_enabled("yes"), TypeError),
    "checkpoint without mode": (
        lambda t: t.utils.checkpoint.checkpoint(lambda x: x, _leaf(t), use_reentrant=True, depth=3),
        ValueError,
    ),
}


def _grad_of(t: Any, function: Any, **options: Any) -> Any:
    x = _leaf(t)
    return t.autograd.grad(function(x), x, **options)


def _grad_twice(t: Any) -> None:
    x = _leaf(t)
    y = (x * x).sum()
    t.autograd.grad(y, x)
    t.autograd.grad(y, x)


def _function(t: Any) -> Any:
    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    return Two


def _no_backward(t: Any) -> None:
    class Forward(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    Forward.apply(_leaf(t)).sum().backward()


def _saved_after_backward(t: Any) -> None:
    class Saves(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * x

    y = Saves.apply(_leaf(t)).sum()
    y.backward()
    y.backward()


def _hook_result(t: Any) -> None:
    x = _leaf(t)
    y = x * 2
    y.register_hook(lambda g: 3)
    y.sum().backward()


GROUPS = {"module": MODULES, "optimizer": OPTIMIZERS, "data": DATA, "autograd": AUTOGRAD}
