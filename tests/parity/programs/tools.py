"""Programs about what surrounds tensors: data, trees, scripting, devices, comparing."""

from __future__ import annotations

import io
from typing import Any


def data(torch: Any) -> Any:
    class Squares(torch.utils.data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return {"x": index, "y": [float(index**2)]}

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(3))

    class Odd(torch.utils.data.Sampler):
        def __iter__(self):
            return iter([1, 3])

        def __len__(self):
            return 2

    return [
        list(torch.utils.data.DataLoader(Squares(), batch_size=2)),
        list(torch.utils.data.dataloader.DataLoader(Stream(), batch_size=2)),
        list(torch.utils.data.DataLoader(Squares(), sampler=Odd())),
        torch.utils.data.dataloader.default_collate([(1, "a"), (2, "b")]),
        torch.utils.data.get_worker_info(),
        issubclass(torch.utils.data.sampler.Sampler, torch.utils.data.Sampler),
    ]


def files(torch: Any) -> Any:
    file = io.BytesIO()
    torch.save({"a": torch.arange(3), "b": [1, "x"], "c": torch.nn.Parameter(torch.ones(2))}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def trees(torch: Any) -> Any:
    tree = {"a": [1, (2, 3)], "b": 4}
    leaves, spec = torch.utils._pytree.tree_flatten(tree)
    return [
        leaves,
        torch.utils._pytree.tree_unflatten([x * 2 for x in leaves], spec),
        torch.utils._pytree.tree_map(lambda x: -x, tree),
        isinstance(spec, torch.utils._pytree.TreeSpec),
    ]


def scripting(torch: Any) -> Any:
    @torch.jit.script
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @torch.jit.unused
    def unused(x):
        return x

    @torch.jit.ignore
    def ignored(x):
        return x

    traced = torch.jit.trace(lambda x: x + 1, torch.ones(2))
    return [
        double(torch.ones(2)),
        traced(torch.zeros(2)),
        unused(1),
        ignored(2),
        torch.jit.is_scripting(),
        torch.jit.is_tracing(),
        torch.jit.annotate(int, 3),
        torch.compiler.is_compiling(),
        torch._assert(True, "fine"),
    ]


def asserted(torch: Any) -> Any:
    torch._assert(False, "not so")


def comparing(torch: Any) -> Any:
    a = torch.tensor([1.0, 2.0])
    return [
        torch.testing.assert_close(a, a + 1e-8),
        torch.testing.assert_close(a, torch.tensor([1.0, 2.0]), rtol=0, atol=0),
    ]


def comparing_unlike(torch: Any) -> Any:
    torch.testing.assert_close(torch.ones(2), torch.zeros(2))


def deprecated_comparing(torch: Any) -> Any:
    torch.testing.assert_allclose(torch.ones(2), torch.ones(2) + 1e-9)


def attention_choice(torch: Any) -> Any:
    x = torch.arange(6.0).reshape(1, 2, 3)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x)


def settings(torch: Any) -> Any:
    torch.set_float32_matmul_precision("high")
    found = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    cudnn = torch.backends.cudnn.benchmark
    return [
        found,
        cudnn,
        torch.backends.cudnn.deterministic,
        torch.backends.mps.is_available(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    ]


def no_devices(torch: Any) -> Any:
    if torch.cuda.is_available():
        return None
    return [
        torch.cuda.device_count(),
        torch.cuda.empty_cache(),
        torch.accelerator.is_available(),
        torch.accelerator.device_count(),
        torch.accelerator.current_accelerator(),
        issubclass(torch.cuda.OutOfMemoryError, RuntimeError),
        torch.version.cuda,
        torch.distributed.is_initialized(),
    ]
