"""Modules that programs touch at import: no hardware, and what only passes through."""

import gzip
import json
import typing

import numpy as np
import pytest

import plait


def test_no_device():
    assert not plait.cuda.is_available()
    assert plait.cuda.device_count() == 0
    assert not plait.accelerator.is_available()
    assert plait.accelerator.current_accelerator() is None
    assert not plait.backends.mps.is_available()
    assert not plait.backends.cudnn.is_available()
    assert not plait.mps.is_available()
    assert not plait.xpu.is_available()
    assert not plait.distributed.is_initialized()


def test_calls_without_a_device_that_do_nothing():
    plait.cuda.manual_seed(1)
    plait.cuda.manual_seed_all(1)
    plait.cuda.empty_cache()
    assert plait.cuda.memory_allocated() == 0
    with plait.cuda.device(None):
        pass


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: plait.cuda.synchronize(), AssertionError, "not compiled with CUDA"),
        (lambda: plait.cuda.current_device(), AssertionError, "not compiled with CUDA"),
        (lambda: plait.cuda.Stream(), RuntimeError, "requires CUDA support"),
        (lambda: plait.cuda.FloatTensor(3), TypeError, r"torch\.cuda\.FloatTensor not available"),
        (lambda: plait.accelerator.synchronize(), RuntimeError, "when none is available"),
        (lambda: plait.distributed.get_rank(), ValueError, "has not been initialized"),
        (lambda: plait.distributed.init_process_group(), NotImplementedError, "not built"),
        (lambda: plait.jit.save(None, "x.pt"), NotImplementedError, "not built"),
        (lambda: plait.fx.symbolic_trace, NotImplementedError, r"torch\.fx\.symbolic_trace"),
        (lambda: plait.hub.load("a/b", "c"), RuntimeError, "would have to be downloaded"),
    ],
)
def test_what_is_not_there_says_so(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_flags_are_kept_and_restored():
    before = plait.backends.cudnn.benchmark
    plait.backends.cudnn.benchmark = True
    with plait.backends.cudnn.flags(enabled=False, benchmark=False):
        assert not plait.backends.cudnn.benchmark
    assert plait.backends.cudnn.benchmark
    plait.backends.cudnn.benchmark = before


def test_jit_and_compile_pass_through():
    def double(x):
        return x * 2

    assert plait.jit.script(double) is double
    assert plait.jit.trace(double, plait.ones(2)) is double
    assert plait.jit.ignore(double) is double
    assert plait.jit.ignore(drop=True)(double) is double
    assert plait.compile(double)(plait.ones(2)).tolist() == [2.0, 2.0]
    assert plait.compile(mode="max-autotune")(double)(plait.ones(1)).tolist() == [2.0]
    assert not plait.jit.is_scripting()
    assert plait.jit.isinstance([1], list[int])
    with pytest.raises(RuntimeError, match="mode or options"):
        plait.compile(double, mode="default", options={})


def test_autocast_is_remembered():
    x = plait.ones(2, 2)
    with plait.autocast("cpu"):
        assert plait.is_autocast_enabled("cpu")
        assert plait.get_autocast_dtype("cpu") is plait.bfloat16
        assert (x @ x).dtype is plait.bfloat16
    assert not plait.is_autocast_enabled("cpu")
    with pytest.warns(UserWarning, match="Disabling"):
        plait.autocast("cuda")


def test_grad_scaler_skips_infinite_gradients_and_adapts():
    param = plait.tensor([1.0], requires_grad=True)
    optimizer = plait.optim.SGD([param], lr=0.5)
    scaler = plait.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    scaler.scale(param.sum()).backward()
    assert param.grad.tolist() == [8.0]
    scaler.step(optimizer)
    scaler.update()
    assert param.tolist() == [0.5]
    assert scaler.get_scale() == 16.0
    param.grad = plait.tensor([float("inf")])
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since"):
        scaler.step(optimizer)
    scaler.update()
    assert param.tolist() == [0.5]
    assert scaler.get_scale() == 8.0
    other = plait.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()


def test_disabled_grad_scaler():
    param = plait.tensor([1.0], requires_grad=True)
    optimizer = plait.optim.SGD([param], lr=0.5)
    scaler = plait.amp.GradScaler(enabled=False)
    scaler.scale(param.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert param.tolist() == [0.5]
    assert (scaler.get_scale(), scaler.state_dict()) == (1.0, {})


def test_profile_counts_named_regions():
    with plait.profiler.profile() as profile:
        for _ in range(3):
            with plait.profiler.record_function("step"):
                pass
    (region,) = profile.key_averages()
    assert (region.key, region.count) == ("step", 3)
    assert "step" in profile.key_averages().table(sort_by="cpu_time_total")


def test_checkpoint_repeats_random_numbers():
    weight = plait.ones(4, 4, requires_grad=True)
    x = plait.ones(2, 4)

    def noisy(v):
        return (v @ weight) * plait.rand(2, 4)

    plait.manual_seed(0)
    noisy(x).sum().backward()
    expected, weight.grad = weight.grad.tolist(), None
    plait.manual_seed(0)
    plait.utils.checkpoint.checkpoint(noisy, x, use_reentrant=False).sum().backward()
    assert weight.grad.tolist() == expected


def test_hub_from_a_folder_and_the_cache(tmp_path):
    (tmp_path / "hubconf.py").write_text(
        'def model(scale=1):\n    """A model."""\n    return scale\n'
    )
    folder = str(tmp_path)
    assert plait.hub.list(folder, source="local") == ["model"]
    assert plait.hub.load(folder, "model", source="local", scale=3) == 3
    assert plait.hub.help(folder, "model", source="local") == "A model."
    with pytest.raises(RuntimeError, match="Cannot find callable other"):
        plait.hub.load(folder, "other", source="local")
    plait.save({"w": plait.ones(2)}, tmp_path / "plain.pt")
    data = (tmp_path / "plain.pt").read_bytes()
    (tmp_path / "net-00000000.pt").write_bytes(data)
    load = plait.hub.load_state_dict_from_url
    url = "https://example.org/weights/"
    # A file that is there is taken whatever its hash, as by PyTorch, which checks what it fetches.
    loaded = load(url + "net-00000000.pt", model_dir=folder, check_hash=True)
    assert loaded["w"].tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="put the file at"):
        load(url + "missing.pt", model_dir=folder)


def test_assert_close():
    close = plait.testing.assert_close
    close(plait.ones(2), plait.ones(2) + 1e-7)
    close({"a": [1.0, plait.ones(2)]}, {"a": [1.0, plait.ones(2)]})
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 2"):
        close(plait.tensor([1.0, 2.0]), plait.tensor([1.0, 2.1]))
    with pytest.raises(AssertionError, match=r"The failure occurred for item \['a'\]\[0\]"):
        close({"a": [1.0]}, {"a": [2.0]})
    with pytest.raises(AssertionError, match="attribute 'dtype' do not match"):
        close(plait.ones(1), plait.ones(1, dtype=plait.float64))
    with pytest.raises(ValueError, match="got no atol"):
        close(1.0, 1.0, rtol=0.1)


def test_make_tensor():
    made = plait.testing.make_tensor(3, 4, dtype=plait.int64, low=2, high=5, noncontiguous=True)
    assert made.shape == (3, 4)
    assert not made.is_contiguous()
    assert 2 <= made.min().item() <= made.max().item() <= 4
    with pytest.raises(ValueError, match="must be less than"):
        plait.testing.make_tensor(2, dtype=plait.float32, low=1, high=1)


def test_weight_averaging():
    model = plait.nn.Linear(2, 1)
    averaged = plait.optim.swa_utils.AveragedModel(model)
    values = []
    for value in (1.0, 2.0, 6.0):
        with plait.no_grad():
            model.weight.fill_(value)
        averaged.update_parameters(model)
        values.append(averaged.module.weight.tolist()[0][0])
    np.testing.assert_allclose(values, [1.0, 1.5, 3.0], rtol=1e-6)
    assert averaged.n_averaged.item() == 3


def test_profile_follows_its_schedule_and_writes_traces(tmp_path):
    profiler = plait.profiler
    seen = []
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        schedule=profiler.schedule(wait=1, warmup=1, active=2, repeat=2),
        on_trace_ready=lambda p: seen.append((p.step_num, [r.key for r in p.key_averages()])),
    ) as profile:
        for step in range(8):
            with profiler.record_function(f"work {step}"):
                pass
            profile.step()
    assert [number for number, _ in seen] == [4, 8]
    assert set(seen[0][1]) == {"work 2", "work 3", "ProfilerStep#2", "ProfilerStep#3"}
    assert set(seen[1][1]) == {"work 6", "work 7", "ProfilerStep#6", "ProfilerStep#7"}
    profile.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = {e["name"]: e for e in events if e["ph"] == "X"}
    assert set(spans) == set(seen[1][1])
    inner, outer = spans["work 6"], spans["ProfilerStep#6"]
    assert outer["ts"] <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + 1  # microseconds


@pytest.mark.parametrize(("gzipped", "ending"), [(False, ".json"), (True, ".json.gz")])
def test_traces_for_tensorboard(tmp_path, gzipped, ending):
    handler = plait.profiler.tensorboard_trace_handler(str(tmp_path / "log"), "me", gzipped)
    with (
        plait.profiler.profile(on_trace_ready=handler),
        plait.profiler.record_function("region"),
    ):
        pass
    (file,) = (tmp_path / "log").iterdir()
    assert file.name.startswith("me.")
    assert file.name.endswith(".pt.trace" + ending)
    data = gzip.decompress(file.read_bytes()) if gzipped else file.read_bytes()
    assert "region" in [event["name"] for event in json.loads(data)["traceEvents"]]
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="Can't create directory"):
        plait.profiler.tensorboard_trace_handler(str(tmp_path / "file" / "in"))(None)


def test_attention_kernels_are_hints():
    attention = plait.nn.attention
    x = plait.ones(1, 2, 3)
    with attention.sdpa_kernel([attention.SDPBackend.MATH, attention.SDPBackend.FLASH_ATTENTION]):
        plait.nn.functional.scaled_dot_product_attention(x, x, x)
    with pytest.raises(AssertionError, match="SDPBackend"), attention.sdpa_kernel("math"):
        pass
    assert attention.SDPBackend.EFFICIENT_ATTENTION == 2


def test_names_that_libraries_ask_for():
    assert plait.get_default_device() == plait.device("cpu")
    plait.set_default_device("cpu")
    with pytest.raises(AssertionError, match="CUDA"):
        plait.set_default_device("cuda")
    assert plait._shape_as_tensor(plait.ones(2, 3)).tolist() == [2, 3]
    drawn = plait._sample_dirichlet(plait.ones(5, 3))
    assert plait.allclose(drawn.sum(-1), plait.ones(5))
    assert plait.jit.annotations.List[int] == typing.List[int]  # noqa: UP006  (the older spelling)
    assert plait.jit.annotations.BroadcastingList2[int] is None
    assert plait.jit._overload_method(max) is max
    plait._dynamo.reset()
    assert plait.hub.HASH_REGEX.search("resnet18-f37072fd.pth").group(1) == "f37072fd"
    assert plait.hub.get_dir().startswith(plait.hub._get_torch_home())


@pytest.mark.parametrize("name", ["to_sparse_csc", "to_sparse_bsr", "sparse_mask", "qscheme"])
def test_methods_that_are_not_built_say_so(name):
    assert not hasattr(plait.ones(2, 2), name)
    with pytest.raises(NotImplementedError, match=rf"Tensor\.{name} is not built in Plait yet"):
        getattr(plait.ones(2, 2), name)()
    with pytest.raises(NotImplementedError, match=r"torch\.sparse_csc_tensor is not built"):
        plait.sparse_csc_tensor  # noqa: B018  # asking for it raises
