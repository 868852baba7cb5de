"""torch.testing, torch.hub's folders, DLPack and views of other dtypes; values of PyTorch 2.13."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch
from plait.testing import assert_close, make_tensor


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dtype": torch.float32}, [-0.06738138198852539, 4.8279924392700195, -7.407406330108643]),
        ({"dtype": torch.int64}, [6, -5, -9]),
        ({"dtype": torch.bool}, [False, True, True]),
        ({"dtype": torch.uint8}, [4, 9, 3]),
        (
            {"dtype": torch.float32, "low": 0, "high": 1},
            [0.49625658988952637, 0.7682217955589294, 0.08847743272781372],
        ),
        (
            {"dtype": torch.complex64},
            [
                -0.06738138198852539 + 4.8279924392700195j,
                -7.407406330108643 - 6.623451232910156j,
                -3.4663891792297363 + 2.4134163856506348j,
            ],
        ),
        (
            {"dtype": torch.float64, "exclude_zero": True},
            [8.460954032517956, 3.740757559196183, -0.7311070237058843],
        ),
    ],
    ids=str,
)
def test_make_tensor(options, expected) -> None:
    torch.manual_seed(0)
    made = make_tensor((3,), device="cpu", **options)
    assert made.dtype is options["dtype"]
    assert made.tolist() == expected


def test_make_tensor_of_other_kinds() -> None:
    made = make_tensor(2, 3, dtype=torch.float32, device="cpu", noncontiguous=True)
    assert not made.is_contiguous() and made.shape == (2, 3)
    assert make_tensor(2, dtype=torch.float64, device="cpu", requires_grad=True).requires_grad
    zeros = make_tensor(50, dtype=torch.int64, device="cpu", low=0, high=2, exclude_zero=True)
    assert zeros.tolist() == [1] * 50
    wide = make_tensor(9, dtype=torch.float32, device="cpu", low=-3e38, high=3e38)
    assert torch.isfinite(wide).all()
    with pytest.raises(ValueError, match="`low` must be less than `high`, but got 2 >= 1"):
        make_tensor(3, dtype=torch.float32, device="cpu", low=2, high=1)


def test_layouts_and_classes_are_compared() -> None:
    sparse = torch.eye(2).to_sparse()
    with pytest.raises(AssertionError, match=r"'layout' do not match: torch.sparse_coo != torch"):
        assert_close(sparse, torch.eye(2))
    assert_close(sparse, torch.eye(2), check_layout=False)
    assert_close(sparse, torch.eye(2).to_sparse())
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        assert_close(sparse, sparse * 2)
    weight = torch.nn.Parameter(torch.ones(1))
    assert_close(weight, torch.ones(1))
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(weight, torch.ones(1), allow_subclasses=False)
    with pytest.raises(AssertionError, match=r"'stride\(\)' do not match: \(3, 1\) != \(1, 2\)"):
        assert_close(torch.ones(2, 3), torch.ones(3, 2).t(), check_stride=True)


def test_views_of_other_sizes() -> None:
    x = torch.ones(2)
    seen = x.view(torch.uint8)
    assert seen.tolist() == [0, 0, 128, 63, 0, 0, 128, 63]
    seen[3] = 191
    assert x.tolist() == [-1, 1]
    x[1] = 0
    assert seen[4:].tolist() == [0, 0, 0, 0]
    wide = torch.zeros(3, 8, dtype=torch.uint8).view(torch.float32)
    assert (wide.shape, wide.dtype) == ((3, 2), torch.float32)
    assert torch.arange(4, dtype=torch.int32).view(torch.int64).tolist() == [1 << 32, 2 + (3 << 32)]
    assert torch.ones(4, dtype=torch.bfloat16).view(torch.uint8).shape == (8,)
    for fault, words in (
        (lambda: torch.ones(3).view(torch.float64), r"size\(-1\) must be divisible by 2 to view"),
        (lambda: torch.ones(()).view(torch.uint8), r"self.dim\(\) cannot be 0 to view Float as By"),
        (lambda: torch.ones(2, 3).t().view(torch.uint8), r"self.stride\(-1\) must be 1 to view"),
    ):
        with pytest.raises(RuntimeError, match=words):
            fault()


def test_dlpack_capsules() -> None:
    x = torch.arange(3.0)
    capsule = torch.utils.dlpack.to_dlpack(x)
    seen = torch.utils.dlpack.from_dlpack(capsule)
    seen[0] = 7
    assert x.tolist() == [7, 1, 2]
    assert torch.utils.dlpack.from_dlpack(np.ones(2)).tolist() == [1, 1]


def test_hub_names_what_a_repository_lacks(tmp_path) -> None:
    (tmp_path / "hubconf.py").write_text("dependencies = ['numpy', 'no_such_package']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package"):
        torch.hub.load(str(tmp_path), "net", source="local")


def test_devices() -> None:
    with pytest.raises(RuntimeError, match="Invalid device string: 'cuda:x'"):
        torch.device("cuda:x")
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is avail"):
        torch.device(0)
    with pytest.raises(AssertionError, match="Torch not compiled with XPU enabled"):
        torch.zeros(1).to("xpu")
