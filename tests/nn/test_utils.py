"""Gradient clipping, parameter vectors, padded and packed sequences, fusion."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from plait import nn
from plait.nn.utils import rnn

SEQUENCES = [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0]]


def sequences() -> list:
    return [plait.tensor(values) for values in SEQUENCES]


def parameters_with_gradients() -> list:
    made = [
        nn.Parameter(plait.zeros(2)),
        nn.Parameter(plait.zeros(1)),
        nn.Parameter(plait.zeros(1)),
    ]
    made[0].grad = plait.tensor([3.0, 0.0])
    made[1].grad = plait.tensor([4.0])
    return made


def test_clip_by_norm() -> None:
    parameters = parameters_with_gradients()
    assert nn.utils.clip_grad_norm_(parameters, 1.0).item() == 5
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6, 0.0], rtol=1e-5)
    np.testing.assert_allclose(parameters[1].grad.numpy(), [0.8], rtol=1e-5)
    assert nn.utils.clip_grad_norm_(parameters, 10.0).item() == pytest.approx(1, rel=1e-5)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    parameters[1].grad = plait.tensor([float("nan")])
    with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
        nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)


def test_a_gradient_listed_twice_is_scaled_twice() -> None:
    """As PyTorch writes them one after the other."""
    parameter = nn.Parameter(plait.zeros(2))
    parameter.grad = plait.tensor([3.0, 4.0])
    total = nn.utils.clip_grad_norm_([parameter, parameter], 1.0)
    assert total.item() == pytest.approx(50**0.5)
    expected = plait.tensor([3.0, 4.0]) / 50
    assert plait.allclose(parameter.grad, expected, rtol=1e-5)


def test_without_gradients_nothing_is_clipped_however_often() -> None:
    """The call is no step, which would have no result to give."""
    for _ in range(6):
        total = nn.utils.clip_grad_norm_([nn.Parameter(plait.zeros(2))], 1.0)
        assert (total + 1).item() == 1


def test_gradients_in_one_numpy_array_are_scaled_one_after_the_other() -> None:
    """As PyTorch writes them: the element that both have is scaled twice."""
    array = np.array([3.0, 4.0, 5.0], np.float32)
    first, second = nn.Parameter(plait.zeros(2)), nn.Parameter(plait.zeros(2))
    first.grad, second.grad = plait.from_numpy(array[:2]), plait.from_numpy(array[1:])
    total = nn.utils.clip_grad_norm_([first, second], 1.0).item()
    np.testing.assert_allclose(array, [3 / total, 4 / total**2, 5 / total], rtol=1e-5)


def test_infinity_norm_and_clip_by_value() -> None:
    parameters = parameters_with_gradients()
    assert nn.utils.clip_grad_norm_(parameters, 100.0, norm_type=float("inf")).item() == 4
    nn.utils.clip_grad_value_(parameters, 2.0)
    assert parameters[0].grad.tolist() == [2.0, 0.0] and parameters[1].grad.tolist() == [2.0]


def test_parameters_as_vector() -> None:
    layer = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (6,)
    nn.utils.vector_to_parameters(plait.arange(6.0), layer.parameters())
    assert layer.weight.tolist() == [[0.0, 1.0], [2.0, 3.0]] and layer.bias.tolist() == [4.0, 5.0]


def test_pad_and_unpad() -> None:
    padded = rnn.pad_sequence(sequences(), batch_first=True, padding_value=-1.0)
    assert padded.tolist() == [[1, 2, 3], [4, -1, -1], [5, 6, -1]]
    left = rnn.pad_sequence(sequences(), batch_first=True, padding_side="left")
    assert left.tolist() == [[1, 2, 3], [0, 0, 4], [0, 5, 6]]
    cut = rnn.unpad_sequence(padded, plait.tensor([3, 1, 2]), batch_first=True)
    assert [row.tolist() for row in cut] == SEQUENCES


def test_pack_and_unpack() -> None:
    packed = rnn.pack_sequence(sequences(), enforce_sorted=False)
    assert packed.data.tolist() == [1, 5, 4, 2, 6, 3]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [0, 2, 1]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, total_length=4)
    assert padded.tolist() == [[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 0, 0]]
    assert lengths.tolist() == [3, 1, 2]
    assert [row.tolist() for row in rnn.unpack_sequence(packed)] == SEQUENCES
    assert packed.double().data.dtype == plait.float64


def test_packing_refuses_bad_lengths() -> None:
    padded = plait.zeros(3, 2)
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order"):
        rnn.pack_padded_sequence(padded, [1, 3])
    with pytest.raises(RuntimeError, match="has to be greater than 0"):
        rnn.pack_padded_sequence(padded, [1, 0])
    with pytest.raises(RuntimeError, match="to be equal to batch_size, but got 3"):
        rnn.pack_padded_sequence(padded, [3, 2, 1])
    with pytest.raises(RuntimeError, match="Expected lengths of at most 3"):
        rnn.pack_padded_sequence(padded, [4, 1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_packed_sequences_run_like_single_ones(kind) -> None:
    plait.manual_seed(0)
    layer = kind(1, 3, num_layers=2, bidirectional=True)
    packed = rnn.pack_sequence([s.unsqueeze(1) for s in sequences()], enforce_sorted=False)
    outputs, state = layer(packed)
    last = state[0] if isinstance(state, tuple) else state
    for index, (sequence, out) in enumerate(zip(sequences(), rnn.unpack_sequence(outputs))):
        alone, alone_state = layer(sequence.unsqueeze(1))
        alone_last = alone_state[0] if isinstance(alone_state, tuple) else alone_state
        # float32, a few steps: the order of sums differs by the batch's size only.
        np.testing.assert_allclose(out.detach().numpy(), alone.detach().numpy(), atol=1e-6)
        np.testing.assert_allclose(
            last[:, index].detach().numpy(), alone_last.detach().numpy(), atol=1e-6
        )


def test_fused_convolution_and_batch_norm() -> None:
    plait.manual_seed(0)
    convolution, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    x = plait.randn(4, 2, 5, 5)
    norm(convolution(x))  # gives the running statistics some values
    convolution.eval()
    norm.eval()
    fused = nn.utils.fuse_conv_bn_eval(convolution, norm)
    expected = norm(convolution(x)).detach().numpy()
    np.testing.assert_allclose(fused(x).detach().numpy(), expected, atol=1e-5)


def test_recurrent_layers_refuse_bad_input() -> None:
    layer = nn.LSTM(3, 4)
    with pytest.raises(RuntimeError, match=r"Expected 3, got 2"):
        layer(plait.zeros(5, 1, 2))
    with pytest.raises(ValueError, match="LSTM: Expected input to be 2D or 3D, got 1D instead"):
        layer(plait.zeros(3))
    bad = (plait.zeros(1, 2, 4), plait.zeros(1, 1, 4))
    with pytest.raises(
        RuntimeError, match=r"Expected hidden\[0\] size \(1, 1, 4\), got \[1, 2, 4\]"
    ):
        layer(plait.zeros(5, 1, 3), bad)
    with pytest.raises(ValueError, match="Unknown nonlinearity 'sin'"):
        nn.RNN(1, 1, nonlinearity="sin")


def test_skip_init_leaves_the_random_numbers() -> None:
    plait.manual_seed(0)
    expected = plait.rand(2)
    plait.manual_seed(0)
    layer = plait.nn.utils.skip_init(plait.nn.Linear, 3, 2, dtype=plait.float64)
    assert plait.equal(plait.rand(2), expected)
    assert layer.weight.shape == (2, 3)
    assert layer.weight.dtype is plait.float64
    with pytest.raises(RuntimeError, match="Expected a Module"):
        plait.nn.utils.skip_init(dict)
    with pytest.raises(RuntimeError, match="device"):
        plait.nn.utils.skip_init(plait.nn.ReLU)


def test_weights_of_convolutions_in_channels_last() -> None:
    module = plait.nn.Sequential(plait.nn.Conv2d(3, 4, 2), plait.nn.Linear(2, 2))
    weight, values = module[0].weight, module[0].weight.detach().clone()
    convert = plait.nn.utils.convert_conv2d_weight_memory_format
    assert convert(module, plait.channels_last) is module
    assert module[0].weight is weight
    assert weight.is_contiguous(memory_format=plait.channels_last)
    assert plait.equal(weight.detach(), values)


def test_older_functional_call_warns() -> None:
    layer = plait.nn.Linear(2, 1, bias=False)
    with pytest.warns(FutureWarning, match=r"torch\.func\.functional_call"):
        found = plait.nn.utils.stateless.functional_call(
            layer, {"weight": plait.ones(1, 2)}, plait.ones(1, 2)
        )
    assert found.item() == 2
