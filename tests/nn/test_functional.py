"""nn.functional by hand: values, in-place writes, running statistics, dropout, warnings."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import plait as torch
import plait.nn.functional as F


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    loss = F.cross_entropy(logits, torch.tensor([2]))
    shares = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    assert loss.item() == pytest.approx(-math.log(shares[2]), rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(logits.grad.numpy()[0], shares - [0, 0, 1], rtol=1e-6, atol=1e-7)


def test_ignored_labels_do_not_count() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    whole = F.cross_entropy(logits, torch.tensor([0, -100]))
    assert whole.item() == pytest.approx(F.cross_entropy(logits[:1], torch.tensor([0])).item())
    assert math.isnan(F.cross_entropy(logits, torch.tensor([-100, -100])).item())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mean_over_no_labels_has_no_gradient(smoothing) -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 1.0]], requires_grad=True)
    labels = torch.tensor([-100, -100])
    F.cross_entropy(logits, labels, label_smoothing=smoothing).backward()
    F.nll_loss(logits, labels).backward()
    assert torch.equal(logits.grad, torch.zeros(2, 2))


def test_linear_and_cross_entropy_in_one() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = (
        torch.from_numpy(rng.standard_normal(s)) for s in ((5, 3), (4, 2, 3), (4, 2))
    )
    target = torch.from_numpy(rng.integers(0, 4, (5, 2)))
    logits = F.linear(x, weight.reshape(8, 3), bias.reshape(8)).reshape(5, 4, 2)
    found = F.linear_cross_entropy(x, weight, target, linear_bias=bias, reduction="none")
    assert torch.equal(found, F.cross_entropy(logits, target, reduction="none"))
    loss = torch.nn.LinearCrossEntropyLoss(3, 4, bias=True, label_smoothing=0.1)
    row, label = torch.randn(2, 3), torch.tensor([1, 3])
    wanted = F.cross_entropy(loss.linear(row), label, label_smoothing=0.1)
    assert torch.allclose(loss(row, label), wanted)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: F.linear_cross_entropy(torch.ones(1, 1, 3), torch.ones(2, 3), torch.ones(1)), 0),
        (lambda: F.linear_cross_entropy(torch.ones(3), torch.ones(3), torch.ones(1)), 0),
        (lambda: F.linear_cross_entropy(torch.ones(3), torch.ones(2, 4), torch.ones(1)), 0),
        (lambda: F.linear_cross_entropy(torch.ones(3), torch.ones(2, 2, 3), torch.ones(2)), 0),
        (
            lambda: F.linear_cross_entropy(
                torch.ones(1, 3), torch.ones(2, 3), torch.ones(1, 2), ignore_index=1
            ),
            0,
        ),
        (
            lambda: F.linear_cross_entropy(
                torch.ones(1, 3), torch.ones(2, 3), torch.ones(1), linear_bias=torch.ones(3)
            ),
            0,
        ),
        (lambda: torch.nn.LinearCrossEntropyLoss(3, 2, label_smoothing=2.0), 0),
        (lambda: torch.nn.LinearCrossEntropyLoss(3, 2, weight=torch.ones(3)), 0),
        (lambda: torch.nn.LinearCrossEntropyOptions(acc_policy="none"), 1),
        (lambda: torch.nn.LinearCrossEntropyOptions(batch_chunk_size=0), 1),
        (lambda: torch.nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:0"), 1),
        (lambda: torch.nn.LinearCrossEntropyOptions(acc_dtype=torch.int64), 1),
    ],
)
def test_mistakes_of_linear_and_cross_entropy(call, kind) -> None:
    with pytest.raises((RuntimeError, ValueError)[kind]):
        call()


def test_an_empty_batch_leaves_the_running_statistics() -> None:
    norm = torch.nn.BatchNorm1d(2)
    assert norm(torch.ones(0, 2, 3)).shape == (0, 2, 3)
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert torch.equal(norm.running_var, torch.ones(2))
    assert norm.num_batches_tracked == 1


def test_one_tensor_for_both_running_statistics():
    """PyTorch's values: it takes in the mean, then the variance."""
    x = torch.arange(12.0).reshape(4, 3).sin()
    for _ in range(4):
        held, other = torch.ones(3), torch.ones(3)
        F.batch_norm(x, held, other, None, None, True, 0.2)
        assert not torch.equal(held, other)
        F.batch_norm(x, other.fill_(1), other, None, None, True, 0.2)
        torch.testing.assert_close(other, torch.tensor([0.6676, 0.7811, 0.8859]), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("training", "eps"), [(True, 0.0), (True, -1.0), (False, -1.0)])
def test_batch_norm_with_a_bad_eps(training, eps) -> None:
    norm = torch.nn.BatchNorm1d(2, eps=eps).train(training)
    with pytest.raises(ValueError, match="eps must be"):
        norm(torch.ones(3, 2))


def test_variances_of_one_row_are_for_all() -> None:
    x, y, var = torch.randn(4, 3), torch.randn(4, 3), torch.rand(1, 3) + 0.5
    found = F.gaussian_nll_loss(x, y, var)
    assert torch.allclose(found, F.gaussian_nll_loss(x, y, var.expand(4, 3).contiguous()))
    with pytest.raises(ValueError, match="incorrect size"):
        F.gaussian_nll_loss(x, y, torch.ones(1, 1))


def test_labels_of_another_batch_size() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        F.cross_entropy(torch.ones(4, 2), torch.zeros(5, 2))


def test_convolution_by_hand() -> None:
    x = torch.arange(5.0).reshape(1, 1, 5)
    w = torch.tensor([[[1.0, 0.0, -1.0]]])
    assert F.conv1d(x, w).tolist() == [[[-2.0, -2.0, -2.0]]]
    assert F.conv1d(x, w, padding="same").tolist() == [[[-1.0, -2.0, -2.0, -2.0, 3.0]]]


def test_binary_cross_entropy_is_finite_at_certainty() -> None:
    p = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, torch.tensor([1.0, 1.0]), reduction="none")
    assert loss.tolist() == [100.0, 0.0]
    loss.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()


def test_inplace_writes_into_the_input() -> None:
    for function in (F.relu, F.silu, F.hardtanh, F.elu, F.leaky_relu, F.mish, F.selu):
        x = torch.tensor([-2.0, 0.5, 3.0])
        wanted = function(x.clone()).tolist()
        assert function(x, inplace=True) is x
        assert x.tolist() == wanted


def test_inplace_gradient_uses_the_values_before() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    F.silu(x * 1, inplace=True).sum().backward()
    other = torch.tensor([-1.0, 2.0], requires_grad=True)
    F.silu(other).sum().backward()
    assert x.grad.tolist() == other.grad.tolist()


def test_running_statistics() -> None:
    mean, var = torch.zeros(1), torch.ones(1)
    x = torch.tensor([[1.0], [3.0]])
    y = F.batch_norm(x, mean, var, training=True, momentum=0.1, eps=1e-30)
    assert y.tolist() == [[-1.0], [1.0]]
    # Batch mean 2, unbiased variance 2.
    assert mean.item() == pytest.approx(0.2)
    assert var.item() == pytest.approx(0.9 + 0.2)
    assert not mean.requires_grad
    F.instance_norm(torch.arange(4.0).reshape(1, 1, 4), mean, var, momentum=1.0)
    assert mean.item() == pytest.approx(1.5)
    assert var.item() == pytest.approx(5 / 3)


def test_half_inputs_with_single_parameters() -> None:
    x = torch.tensor([[1.0, 2.0, 4.0]]).to(torch.bfloat16)
    y = F.layer_norm(x, (3,), torch.ones(3), torch.zeros(3))
    assert y.dtype is torch.bfloat16


def test_dropout_scales_what_stays() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000)
    y = F.dropout(x, 0.25).numpy()
    assert set(np.unique(y).tolist()) == {0.0, float(np.float32(1 / 0.75))}
    # 4000 draws: the share has a standard deviation of 0.007.
    assert abs((y == 0).mean() - 0.25) < 0.035
    assert (y != F.dropout(x, 0.25).numpy()).any()
    assert F.dropout(x, 0.5, training=False) is x
    assert not F.dropout(x, 1.0).numpy().any()


def test_dropout_repeats_after_the_seed() -> None:
    x = torch.ones(50)
    torch.manual_seed(7)
    first = F.dropout(x).tolist()
    torch.manual_seed(7)
    assert F.dropout(x).tolist() == first


def test_dropout_of_channels() -> None:
    torch.manual_seed(0)
    y = F.dropout2d(torch.ones(8, 16, 3, 3)).numpy()
    assert ((y == 0).all((2, 3)) | (y == 2).all((2, 3))).all()
    z = torch.ones(16, 5)
    assert F.dropout1d(z, inplace=True) is z
    assert set(np.unique(z.numpy()).tolist()) == {0.0, 2.0}
    assert ((z.numpy() == 0).all(1) | (z.numpy() == 2).all(1)).all()


def test_dropout_gradient_follows_the_mask() -> None:
    torch.manual_seed(0)
    x = torch.ones(20, requires_grad=True)
    y = F.dropout(x, 0.5)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_alpha_dropout_keeps_the_moments() -> None:
    torch.manual_seed(0)
    y = F.alpha_dropout(torch.randn(20000), 0.3, training=True).numpy()
    # The mean of 20,000 values of variance 1 has a standard deviation of 0.007.
    assert abs(y.mean()) < 0.04
    assert abs(y.std() - 1) < 0.04


def test_gumbel_softmax() -> None:
    torch.manual_seed(0)
    logits = torch.zeros(200, 3, requires_grad=True)
    hard = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(hard.detach().numpy().sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(hard.detach().numpy().max(1), 1, atol=1e-6)
    hard[:, 0].sum().backward()
    assert np.abs(logits.grad.numpy()).max() > 0
    np.testing.assert_allclose(F.gumbel_softmax(logits).detach().numpy().sum(1), 1, atol=1e-5)


def test_rrelu_slopes() -> None:
    torch.manual_seed(0)
    y = F.rrelu(-torch.ones(100), training=True).numpy()
    assert (y <= -1 / 8).all()
    assert (y >= -1 / 3 - 1e-6).all()
    assert np.unique(y).size > 50


def test_max_norm_changes_the_rows_looked_up() -> None:
    weight = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    F.embedding(torch.tensor([1]), weight, max_norm=1.0)
    np.testing.assert_allclose(weight.numpy(), [[3, 4], [0.6, 0.8]], rtol=1e-5)


def test_attention_with_dropout() -> None:
    torch.manual_seed(0)
    q = torch.randn(1, 2, 4, 3)
    F_attention = F.scaled_dot_product_attention
    assert F_attention(q, q, q, dropout_p=0.5).shape == (1, 2, 4, 3)
    np.testing.assert_allclose(
        F_attention(q, q, q, dropout_p=1e-12, is_causal=True).numpy(),
        F_attention(q, q, q, is_causal=True).numpy(),
        rtol=1e-5,
        atol=1e-6,  # float32, another order of sums
    )


def test_adaptive_pool_to_no_elements() -> None:
    assert F.adaptive_avg_pool2d(torch.ones(1, 2, 3, 3), 0).shape == (1, 2, 0, 0)


def test_deprecated_arguments_warn() -> None:
    a, b = torch.ones(3), torch.zeros(3)
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert F.mse_loss(a, b, size_average=False).item() == 3
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.mse_loss(a, b, reduce=False).tolist() == [1, 1, 1]
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        F.softmax(a)
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(torch.ones(3, 1), b)
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(a, b)


def test_no_warning_without_cause() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(torch.ones(3), torch.zeros(3))
        F.softmax(torch.ones(3), dim=0)


def test_promotion_of_losses() -> None:
    a, b = torch.ones(3), torch.ones(3, dtype=torch.float64)
    assert F.mse_loss(a, b).dtype is torch.float64
    assert F.mse_loss(a, torch.ones(3, dtype=torch.int64)).dtype is torch.float32
