"""Recurrent cells and the loops over them of TensorFlow 1 (`tf.nn.rnn_cell`, `tf.nn.dynamic_rnn`).

A loop is unrolled in the graph, so the number of steps must be known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._ops import arrays, elementwise, matrix, neural
from plait.tf._ops.creation import convert_to_tensor, zeros
from plait.tf.compat._layers import Layer
from plait.tf.compat._scopes import variable_scope
from plait.tf.initializers import Constant, Zeros


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM: its cell (c) and its output (h)."""

    c: Any
    h: Any


class RNNCell(Layer):
    """One step of a recurrent network: (output, state) from (input, state)."""

    word = "rnn_cell"

    @property
    def state_size(self) -> Any:
        """The sizes of the state, in its structure."""
        raise NotImplementedError

    @property
    def output_size(self) -> int:
        """The size of the output."""
        raise NotImplementedError

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros."""
        return nest.map_structure(
            lambda n: (
                zeros(arrays.stack([batch_size, n]), dtype)
                if hasattr(batch_size, "dtype")
                else zeros([batch_size, n], dtype)
            ),
            self.state_size,
        )


class BasicRNNCell(RNNCell):
    """tanh(W [x, h] + b)."""

    word = "basic_rnn_cell"

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.units, self.act = num_units, activation or elementwise.tanh

    state_size = property(lambda self: self.units)
    output_size = property(lambda self: self.units)

    def call(self, x: Any, state: Any) -> Any:
        w = self.variable("kernel", [int(x.shape[-1]) + self.units, self.units], None)
        b = self.variable("bias", [self.units], Zeros())
        h = self.act(neural.bias_add(matrix.matmul(arrays.concat([x, state], 1), w), b))
        return h, h


class LSTMCell(RNNCell):
    """Hochreiter and Schmidhuber 1997, with the forget gate's bias raised; gates i, j, f, o."""

    word = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: Any = None,
        initializer: Any = None,
        num_proj: Any = None,
        proj_clip: Any = None,
        num_unit_shards: Any = None,
        num_proj_shards: Any = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        if use_peepholes or num_proj is not None:
            raise not_built("LSTMCell with peepholes or a projection")
        self.units, self.act = num_units, activation or elementwise.tanh
        self.bias, self.as_tuple, self.start = forget_bias, state_is_tuple, initializer

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self.units, self.units) if self.as_tuple else 2 * self.units

    output_size = property(lambda self: self.units)

    def call(self, x: Any, state: Any) -> Any:
        c, h = state if self.as_tuple else arrays.split(state, 2, 1)
        w = self.variable("kernel", [int(x.shape[-1]) + self.units, 4 * self.units], self.start)
        b = self.variable("bias", [4 * self.units], Zeros())
        gates = neural.bias_add(matrix.matmul(arrays.concat([x, h], 1), w), b)
        i, j, f, o = arrays.split(gates, 4, 1)
        sigmoid = elementwise.sigmoid
        c = sigmoid(f + self.bias) * c + sigmoid(i) * self.act(j)
        h = sigmoid(o) * self.act(c)
        return h, LSTMStateTuple(c, h) if self.as_tuple else arrays.concat([c, h], 1)


class BasicLSTMCell(LSTMCell):
    """An LSTM without options."""

    word = "basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            num_units,
            forget_bias=forget_bias,
            state_is_tuple=state_is_tuple,
            activation=activation,
            name=name,
            **options,
        )


class GRUCell(RNNCell):
    """Cho et al. 2014, in TensorFlow's form."""

    word = "gru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.units, self.act = num_units, activation or elementwise.tanh
        self.starts = kernel_initializer, bias_initializer

    state_size = property(lambda self: self.units)
    output_size = property(lambda self: self.units)

    def _part(self, name: str, x: Any, size: int, bias: Any) -> Any:
        with variable_scope(name, auxiliary_name_scope=False):
            w = self.variable("kernel", [int(x.shape[-1]), size], self.starts[0])
            b = self.variable("bias", [size], self.starts[1] or bias)
        return neural.bias_add(matrix.matmul(x, w), b)

    def call(self, x: Any, state: Any) -> Any:
        gates = elementwise.sigmoid(
            self._part("gates", arrays.concat([x, state], 1), 2 * self.units, Constant(1.0))
        )
        r, u = arrays.split(gates, 2, 1)
        c = self.act(self._part("candidate", arrays.concat([x, r * state], 1), self.units, Zeros()))
        h = u * state + (1 - u) * c
        return h, h


class DropoutWrapper(RNNCell):
    """A cell whose input and output lose elements by chance."""

    word = "dropout_wrapper"

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(None)
        self.cell, self.shares = cell, (input_keep_prob, output_keep_prob)

    state_size = property(lambda self: self.cell.state_size)
    output_size = property(lambda self: self.cell.output_size)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        first, last = self.shares
        y, new = self.cell(_kept(inputs, first), state)
        return _kept(y, last), new


def _kept(x: Any, share: Any) -> Any:
    if isinstance(share, (int, float)) and share == 1:
        return x
    return neural.dropout(x, None, None, None, share)


class MultiRNNCell(RNNCell):
    """Cells one upon another."""

    word = "multi_rnn_cell"

    def __init__(self, cells: Any, state_is_tuple: bool = True) -> None:
        super().__init__(None)
        self.cells = list(cells)

    state_size = property(lambda self: tuple([c.state_size for c in self.cells]))
    output_size = property(lambda self: self.cells[-1].output_size)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        new = []
        x = inputs
        for number, (cell, held) in enumerate(zip(self.cells, state)):
            with variable_scope(
                f"multi_rnn_cell/cell_{number}" if not new else f"cell_{number}",
                reuse=None,
                auxiliary_name_scope=False,
            ):
                x, made = cell(x, held)
            new.append(made)
        return x, tuple(new)


def _steps(cell: Any, parts: list[Any], state: Any, lengths: Any) -> tuple[list[Any], Any]:
    outputs = []
    for number, x in enumerate(parts):
        y, new = cell(x, state)
        if lengths is not None:
            going = elementwise.less(number, elementwise.cast(lengths, "int32"))
            going = arrays.expand_dims(going, 1)
            y = elementwise.where(going, y, y * 0.0)
            new = nest.map_structure(lambda a, b, g=going: elementwise.where(g, a, b), new, state)
        outputs.append(y)
        state = new
    return outputs, state


def _first_state(cell: Any, x: Any, state: Any, dtype: Any) -> Any:
    if state is not None:
        return state
    if dtype is None:
        raise error(ValueError, "If there is no initial_state, you must give a dtype.")
    size = x.shape[0]
    return cell.zero_state(arrays.shape(x)[0] if size is None else size, dtype)


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: Any = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """(outputs of all steps, the last state) of a cell over (batch, steps, features)."""
    x = convert_to_tensor(inputs)
    axis = 0 if time_major else 1
    if x.shape[axis] is None:
        raise not_built("tf.nn.dynamic_rnn over a number of steps that the graph does not know")
    parts = arrays.unstack(x, axis=axis)
    with variable_scope(scope or "rnn"):
        state = _first_state(cell, parts[0], initial_state, dtype or x.dtype)
        outputs, state = _steps(cell, parts, state, sequence_length)
    return arrays.stack(outputs, axis), state


def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """(outputs, the last state) of a cell over a list of inputs."""
    parts = [convert_to_tensor(x) for x in inputs]
    with variable_scope(scope or "rnn"):
        state = _first_state(cell, parts[0], initial_state, dtype)
        return _steps(cell, parts, state, sequence_length)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: Any = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """((outputs forward, outputs backward), (states)) of two cells over (batch, steps, ...)."""
    if sequence_length is not None:
        raise not_built("tf.nn.bidirectional_dynamic_rnn with sequence_length")
    axis = [0 if time_major else 1]
    with variable_scope(scope or "bidirectional_rnn"):
        forward, last = dynamic_rnn(
            cell_fw, inputs, None, initial_state_fw, dtype, time_major=time_major, scope="fw"
        )
        backward, first = dynamic_rnn(
            cell_bw,
            arrays.reverse(inputs, axis),
            None,
            initial_state_bw,
            dtype,
            time_major=time_major,
            scope="bw",
        )
    return (forward, arrays.reverse(backward, axis)), (last, first)


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """(outputs of both side by side, state forward, state backward) over a list of inputs."""
    with variable_scope(scope or "bidirectional_rnn"):
        forward, last = static_rnn(cell_fw, inputs, initial_state_fw, dtype, scope="fw")
        backward, first = static_rnn(
            cell_bw, list(inputs)[::-1], initial_state_bw, dtype, scope="bw"
        )
    both = [arrays.concat([f, b], 1) for f, b in zip(forward, backward[::-1])]
    return both, last, first
