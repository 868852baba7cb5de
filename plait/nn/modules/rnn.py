"""Recurrent layers: Elman RNN, LSTM, GRU, over padded or packed sequences, and their cells.

What they compute is in `_layers`.
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn import init
from plait.nn.modules._layers import STEPS, State, layers, padded
from plait.nn.modules.module import Module
from plait.nn.parameter import Parameter
from plait.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

#: How many blocks of `hidden_size` rows the weights of a mode have.
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _int_above_zero(name: str, value: Any) -> None:
    if not isinstance(value, int):
        raise error(TypeError, f"{name} should be of type int, got: {type(value).__name__}")
    if value <= 0:
        raise error(ValueError, f"{name} must be greater than zero")


class RNNBase(Module):
    """What the recurrent layers share.

    Input (L, N, input_size), (N, L, input_size) with `batch_first`, without N, or a
    `PackedSequence`. Weights of layer k: `weight_ih_l{k}`, `weight_hh_l{k}`, `bias_ih_l{k}`,
    `bias_hh_l{k}`, and `weight_hr_l{k}` with projections; `_reverse` is added for the backward
    direction.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout) if isinstance(dropout, numbers.Number) else dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_options()
        self._all_weights = []
        for layer in range(num_layers):
            for direction in range(self._directions):
                self._all_weights.append(self._make_weights(layer, direction, device, dtype))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _check_options(self) -> None:
        dropout = self.dropout
        number = isinstance(dropout, numbers.Real) and not isinstance(dropout, bool)
        if not number or not 0 <= dropout <= 1:
            raise error(
                ValueError,
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed",
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name in ("bias", "batch_first"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise error(
                    TypeError, f"{name} should be of type bool, got: {type(value).__name__}"
                )
        _int_above_zero("input_size", self.input_size)
        _int_above_zero("hidden_size", self.hidden_size)
        if self.num_layers <= 0:
            raise error(ValueError, "num_layers must be greater than zero")
        if self.proj_size < 0:
            raise error(
                ValueError, "proj_size should be a positive integer or zero to disable projections"
            )
        if self.proj_size >= self.hidden_size:
            raise error(ValueError, "proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise error(ValueError, f"Unrecognized RNN mode: {self.mode}")

    def _make_weights(self, layer: int, direction: int, device: Any, dtype: Any) -> list[str]:
        """Make the parameters of one layer and direction; gives their names."""
        gates = _GATES[self.mode] * self.hidden_size
        width = self.input_size if layer == 0 else self._output_size * self._directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, width),
            "weight_hh": (gates, self._output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        suffix = f"_l{layer}" + ("_reverse" if direction else "")
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(plait.empty(shape, device=device, dtype=dtype)))
        return [name + suffix for name in shapes]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, one list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def reset_parameters(self) -> None:
        """Draw all weights uniformly within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: weights need not lie in one block of memory here."""

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size != 0:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if self.batch_first is not False:
            parts.append(f"batch_first={self.batch_first}")
        if self.dropout != 0:
            parts.append(f"dropout={self.dropout}")
        if self.bidirectional is not False:
            parts.append(f"bidirectional={self.bidirectional}")
        return ", ".join(parts)

    # -- running ---------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run the sequence; `hx` (layers * directions, N, size) is zero if None.

        Gives the outputs of the last layer, shaped like the input, and the last state.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        kind = self.mode.split("_")[0]
        if input.dim() not in (2, 3):
            raise error(
                ValueError, f"{kind}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        batched = input.dim() == 3
        self._check_input(input)
        self._check_batched_state(hx, batched)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
        length, batch = input.shape[0], input.shape[1]
        if self.batch_first:
            length, batch = batch, length
        state = self._given_state(hx, batch, batched)
        if not length:
            raise error(RuntimeError, "Expected sequence length to be larger than 0 in RNN")
        outputs, *ends = self._run_padded(input, batch, state)
        if self.batch_first:
            outputs = outputs.transpose(0, 1)
        if not batched:
            outputs = outputs.squeeze(0 if self.batch_first else 1)
            ends = [end.squeeze(1) for end in ends]
        return outputs, self._outer_state(tuple(ends))

    def _run_padded(self, input: Tensor, batch: int, state: State | None) -> tuple[Tensor, ...]:
        """The outputs (L, N, size), and the last state."""
        dropout = self._present_dropout()
        if not dropout:
            sizes = self._state_sizes()
            given = (None,) * len(sizes) if state is None else state
            return padded(
                self.mode, self._directions, self.batch_first, sizes, input, *given, *self._given()
            )
        if self.batch_first:
            input = input.transpose(0, 1)
        state = self._zeros(input, batch) if state is None else state
        rows = [batch] * input.shape[0]
        return layers(self.mode, self._directions, dropout, input, rows, state, self._given())

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        sizes = [int(size) for size in batch_sizes.tolist()]
        self._check_input(data, dims=2)
        state = self._given_state(hx, sizes[0], batched=True)
        if state is None:
            state = self._zeros(data, sizes[0])
        elif sorted_indices is not None:
            state = tuple(s.index_select(1, sorted_indices) for s in state)
        dropout, weights = self._present_dropout(), self._given()
        made = layers(self.mode, self._directions, dropout, data, sizes, state, weights)
        outputs, state = made[0], made[1:]
        if unsorted_indices is not None:
            state = tuple(s.index_select(1, unsorted_indices) for s in state)
        again = PackedSequence(outputs, batch_sizes, sorted_indices, unsorted_indices)
        return again, self._outer_state(state)

    def _present_dropout(self) -> float:
        """How much is dropped between layers now."""
        return float(self.dropout) if self.training and self.num_layers > 1 else 0.0

    def _given(self) -> list[Any]:
        """The weights of all layers and directions as `layers` takes them."""
        held = self.__dict__["_parameters"]
        found: list[Any] = []
        for names in self._all_weights:
            # By the dict: to look an attribute up costs more where a class has `__getattr__`.
            own = [held[n] if n in held else getattr(self, n) for n in names]
            biases = own[2:4] if len(own) >= 4 else [None, None]
            projection = own[-1] if len(own) in (3, 5) else None
            found += [own[0], own[1], *biases, projection]
        return found

    def _state_sizes(self) -> tuple[int, ...]:
        """The sizes of h, and of c."""
        if self.mode == "LSTM":
            return (self._output_size, self.hidden_size)
        return (self._output_size,)

    def _zeros(self, like: Tensor, batch: int) -> State:
        """Zeros (N, size) that all layers begin with, one tensor for all sizes alike."""
        sizes = self._state_sizes()
        made = {n: plait.zeros((batch, n), dtype=like.dtype, device=like.device) for n in sizes}
        return tuple(made[n] for n in sizes)

    def _check_input(self, input: Tensor, dims: int | None = None) -> None:
        name = self._all_weights[0][0]
        held = self.__dict__["_parameters"]
        weight = held[name] if name in held else getattr(self, name)
        if input.dtype != weight.dtype:
            raise error(
                ValueError,
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})",
            )
        if dims is not None and input.dim() != dims:
            raise error(RuntimeError, f"input must have {dims} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise error(
                RuntimeError,
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.size(-1)} ({type(self).__name__} received "
                f"shape {list(input.shape)})",
            )

    def _check_batched_state(self, hx: Any, batched: bool) -> None:
        if hx is None:
            return
        wanted = 3 if batched else 2
        for state in hx if self.mode == "LSTM" else (hx,):
            if state.dim() != wanted:
                kind = "batched 3-D" if batched else "unbatched 2-D"
                raise error(
                    RuntimeError,
                    f"For {kind} input, hx should also be {wanted}-D but got {state.dim()}-D "
                    f"tensor",
                )

    def _given_state(self, hx: Any, batch: int, batched: bool) -> State | None:
        """The state as a tuple of (layers * directions, N, size), checked; None for none."""
        if hx is None:
            return None
        states = tuple(hx) if self.mode == "LSTM" else (hx,)
        if not batched:
            states = tuple(s.unsqueeze(1) for s in states)
        rows = self.num_layers * self._directions
        shapes = [(rows, batch, size) for size in self._state_sizes()]
        for position, (state, shape) in enumerate(zip(states, shapes)):
            if tuple(state.shape) != shape:
                which = f"hidden[{position}]" if self.mode == "LSTM" else "hidden"
                raise error(RuntimeError, f"Expected {which} size {shape}, got {list(state.shape)}")
        return states

    def _outer_state(self, state: State) -> Any:
        return state if self.mode == "LSTM" else state[0]


class RNN(RNNBase):
    """Elman RNN: h' = tanh or relu of (W_ih x + b_ih + W_hh h + b_hh)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise error(ValueError, "proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:  # input_size, hidden_size, num_layers, nonlinearity, ...
            self_nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self_nonlinearity not in ("tanh", "relu"):
            raise error(
                ValueError,
                f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'.",
            )
        super().__init__(f"RNN_{self_nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = self_nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); its state is the pair (h, c)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014), the reset gate applied after the matrix product."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise error(ValueError, "proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """One step of a recurrent layer: input (N, input_size), or without N."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        factory = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(plait.empty((gates, input_size), **factory))
        self.weight_hh = Parameter(plait.empty((gates, hidden_size), **factory))
        if bias:
            self.bias_ih = Parameter(plait.empty(gates, **factory))
            self.bias_hh = Parameter(plait.empty(gates, **factory))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights uniformly within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        if nonlinearity != "tanh":
            parts.append(f"nonlinearity={nonlinearity}")
        return ", ".join(parts)

    def _step(self, mode: str, input: Tensor, states: State | None) -> State:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise error(
                ValueError, f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead"
            )
        for state in states or ():
            if state.dim() not in (1, 2):
                raise error(
                    ValueError,
                    f"{name}: Expected hidden to be 1D or 2D, got {state.dim()}D instead",
                )
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if states is None:
            zeros = plait.zeros((x.size(0), self.hidden_size), dtype=x.dtype, device=x.device)
            states = (zeros, zeros) if mode == "LSTM" else (zeros,)
        elif not batched:
            states = tuple(state.unsqueeze(0) for state in states)
        gates = F.linear(x, self.weight_ih, self.bias_ih)
        states = STEPS[mode](gates, states, self.weight_hh, self.bias_hh, None)
        return states if batched else tuple(state.squeeze(0) for state in states)


class RNNCell(RNNCellBase):
    """One step of an Elman RNN: (N, input_size) and (N, hidden_size) to (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise error(RuntimeError, f"Unknown nonlinearity: {self.nonlinearity}")
        mode = f"RNN_{self.nonlinearity.upper()}"
        return self._step(mode, input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM: the state is the pair (h, c), each (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> State:
        return self._step("LSTM", input, hx)


class GRUCell(RNNCellBase):
    """One step of a GRU: (N, input_size) and (N, hidden_size) to (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, None if hx is None else (hx,))[0]
