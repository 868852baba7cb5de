"""What libraries of other authors reach for: old orders of arguments, half-private modules."""

import threading
import warnings

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

CALLS = [
    lambda t, v, m: t.add(v, 2, v),
    lambda t, v, m: v.add(-0.5, v),
    lambda t, v, m: v.clone().add_(2, v),
    lambda t, v, m: t.sub(v, 2, v),
    lambda t, v, m: v.clone().sub_(2, v),
    lambda t, v, m: t.addcmul(v, 2, v, v),
    lambda t, v, m: v.clone().addcmul_(2, v, v),
    lambda t, v, m: v.clone().addcdiv_(-3.0, v, v),
    lambda t, v, m: t.addmm(2, m, 3, m, m),
    lambda t, v, m: t.addmm(2, m, m, m),
    lambda t, v, m: m.addmm(2, m, m),
    lambda t, v, m: m.addmm(2, 3, m, m),
    lambda t, v, m: m.clone().addmm_(2, m, m),
    lambda t, v, m: t.addmv(2, v, 3, m, v),
    lambda t, v, m: t.baddbmm(2, m[None], 3, m[None], m[None]),
    lambda t, v, m: t.addbmm(2, m, m[None], m[None]),
    lambda t, v, m: m.addr(2, v, v),
    # Today's order stays what it is.
    lambda t, v, m: t.add(v, v, alpha=2),
    lambda t, v, m: t.addmm(m, m, m, beta=2),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:This overload of")
def test_orders(call):
    values = [
        call(framework, framework.tensor([1.0, 2.0]), framework.tensor([[1.0, 2.0], [3.0, 4.0]]))
        for framework in (torch, plait)
    ]
    assert values[0].tolist() == values[1].tolist()


@pytest.mark.filterwarnings("ignore:This overload of")
def test_gradients_of_the_old_order():
    x = plait.tensor([1.0, 2.0], requires_grad=True)
    plait.add(x, 3, x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_one_warning():
    from plait._functions import old_orders

    old_orders._warned.clear()
    v = plait.ones(2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        v.add(2, v)
        v.add(2, v)
        v.addcmul(2, v, v)
    assert [str(w.message).splitlines()[0] for w in caught] == [
        "This overload of add is deprecated:"
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("call", [lambda v: v.add(1, 2, 3), lambda v: v.add_(v, v, v, v)])
def test_too_many_arguments(call):
    with pytest.raises(TypeError, match="add"):
        call(plait.ones(2))


@pytest.mark.parametrize(
    "shape, wrap",
    [((3, 3), False), ((7, 3), False), ((7, 3), True), ((2, 5), True), ((3,) * 3, False)],
)
def test_fill_diagonal(shape, wrap):
    values = [f.arange(1.0, 1 + np.prod(shape)).reshape(shape) for f in (torch, plait)]
    results = [v.fill_diagonal_(-1, wrap) for v in values]
    assert results[0].tolist() == results[1].tolist() == values[1].tolist()


def test_fill_diagonal_through_a_view_and_a_gradient():
    grads = []
    for framework in (torch, plait):
        x = framework.ones(3, 4, requires_grad=True)
        y = x * 2
        y[:, 1:].fill_diagonal_(7.0)
        (y * y).sum().backward()
        grads.append((y.tolist(), x.grad.tolist()))
    assert grads[0] == grads[1]


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_fill_diagonal_refuses(shape):
    for framework in (torch, plait):
        with pytest.raises(RuntimeError, match="dimensions") as found:
            framework.zeros(shape).fill_diagonal_(1)
        if framework is torch:
            expected = str(found.value)
    assert str(found.value).startswith(expected)


def test_names_of_private_modules():
    from plait import _C
    from plait.utils import _foreach_utils, checkpoint

    assert plait.torch is plait
    assert plait.serialization.DEFAULT_PROTOCOL == torch.serialization.DEFAULT_PROTOCOL
    assert _C._get_tracing_state() is None
    assert not _C._is_tracing()
    assert not hasattr(_C, "_cuda_clearCublasWorkspaces")
    assert _C._nn._parse_to("cpu", plait.float64)[:2] == (plait.device("cpu"), plait.float64)
    tensors = [[plait.ones(1), plait.ones(2).double(), plait.ones(3)]]
    groups = _foreach_utils._group_tensors_by_device_and_dtype(tensors, with_indices=True)
    assert [(k[1], v[1]) for k, v in groups.items()] == [
        (plait.float32, [0, 2]), (plait.float64, [1])
    ]  # fmt: skip
    assert checkpoint.get_device_states(plait.ones(1)) == ([], [])
    checkpoint.set_device_states([], [])
    (leaf,) = checkpoint.detach_variable((plait.ones(1, requires_grad=True) * 2,))
    assert leaf.is_leaf
    assert leaf.requires_grad
    with pytest.warns(UserWarning, match="None of the inputs"):
        checkpoint.check_backward_validity([plait.ones(1)])


@pytest.mark.parametrize("framework", [torch, plait], ids=["torch", "plait"])
def test_futures(framework):
    import importlib

    futures = importlib.import_module(f"{framework.__name__}.futures")
    first, second = futures.Future(), futures.Future()
    doubled = first.then(lambda f: f.value() * 2)
    seen = []
    second.add_done_callback(lambda f: seen.append("done"))
    assert not first.done()
    thread = threading.Thread(target=lambda: (first.set_result(3), second.set_result(4)))
    thread.start()
    assert futures.wait_all([first, second]) == [3, 4]
    thread.join()
    assert (doubled.wait(), seen) == (6, ["done"])
    assert [f.value() for f in futures.collect_all([first, second]).wait()] == [3, 4]
    with pytest.raises(RuntimeError):
        first.set_result(1)
    broken = futures.Future()
    broken.set_exception(KeyError("why"))
    with pytest.raises(KeyError, match="why"):
        broken.wait()


def test_types_of_processes_that_are_not_there():
    """Libraries ask `isinstance` of them; none can be made."""
    from plait._subclasses.fake_tensor import FakeTensor, is_fake
    from plait.distributed import ProcessGroup
    from plait.distributed._composable.fsdp import FSDPModule
    from plait.distributed._tensor import DTensor
    from plait.distributed._tensor.experimental import implicit_replication
    from plait.distributed.device_mesh import DeviceMesh
    from plait.distributed.optim import ZeroRedundancyOptimizer
    from plait.fx import GraphModule, Node, Tracer
    from plait.fx.experimental.proxy_tensor import get_proxy_mode
    from plait.nn.parallel import DistributedDataParallel

    absent = [
        DTensor,
        DeviceMesh,
        FSDPModule,
        ProcessGroup,
        ZeroRedundancyOptimizer,
        FakeTensor,
        plait.SymInt,
    ]
    for kind in (*absent, DistributedDataParallel, GraphModule, Node, Tracer):
        assert not isinstance(plait.ones(1), kind)
        with pytest.raises(NotImplementedError, match=kind.__name__):
            kind(plait.nn.Linear(1, 1))
    assert get_proxy_mode() is None
    assert not is_fake(plait.ones(1))
    with implicit_replication():
        assert plait.ones(2).sum().item() == 2


def test_one_device_is_scattered_to():
    from plait.nn.parallel import gather, scatter
    from plait.nn.parallel.scatter_gather import scatter_kwargs

    x = plait.ones(2)
    assert gather(scatter(x, [0]), 0) is x
    assert scatter_kwargs((x,), {"k": 1}, [0]) == (((x,),), ({"k": 1},))
    with pytest.raises(RuntimeError, match="one device"):
        scatter(x, [0, 1])


def test_choices_of_optimizers():
    from plait.optim import optimizer

    assert optimizer._default_to_fused_or_foreach([], False) == (False, False)
    assert "cuda" in optimizer._get_capturable_supported_devices()

    class Steps(plait.optim.SGD):
        @optimizer._use_grad_for_differentiable
        def step(self, closure=None):
            return plait.is_grad_enabled()

    assert not Steps([plait.ones(1)], lr=0.1).step()
    assert Steps([plait.ones(1)], lr=0.1, differentiable=True).step()


@pytest.mark.parametrize("framework", [torch, plait], ids=["torch", "plait"])
def test_numpy_where_gradients_are_off(framework):
    x = framework.ones(2, requires_grad=True) * 2
    with framework.no_grad():
        assert x.numpy().tolist() == [2.0, 2.0]
        assert np.asarray(x).tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        x.numpy()


@pytest.mark.parametrize(
    "use",
    [
        lambda t: t.ao.quantization.QuantStub(),
        lambda t: t.quantization.quantize_dynamic(t.nn.Linear(1, 1)),
        lambda t: t.quantize_per_tensor(t.ones(2), 0.1, 0, t.qint8),
    ],
)
def test_quantization_says_that_it_is_not_built(use):
    with pytest.raises(NotImplementedError, match="not built in Plait yet"):
        use(plait)
    assert not hasattr(plait.ao.quantization, "prepare")


def test_cross_map_lrn_says_that_it_is_not_built():
    with pytest.raises(NotImplementedError, match="LocalResponseNorm is"):
        plait.nn.CrossMapLRN2d(3)


def test_the_build_describes_itself():
    from plait import __config__

    assert "CPU only" in __config__.show()
    assert "get_num_threads" in __config__.parallel_info()


def test_typename():
    import collections

    for make in (
        lambda t: t.ones(1),
        lambda t: t.ones(1).long(),
        lambda t: 3,
        lambda t: collections.OrderedDict(),
        lambda t: collections.OrderedDict,
        lambda t: len,
    ):
        assert plait.typename(make(plait)) == torch.typename(make(torch))
    assert plait.typename(plait.nn.Linear(1, 1)).endswith("nn.modules.linear.Linear")


def test_no_export_to_onnx():
    assert not plait.onnx.is_in_onnx_export()
    with pytest.raises(NotImplementedError, match=r"torch\.onnx\.export is not built"):
        plait.onnx.export(plait.nn.Linear(1, 1), plait.ones(1), "model.onnx")
