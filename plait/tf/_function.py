"""tf.function: a function captured at its first call for each signature, then replayed.

Signatures are as in TensorFlow: shapes and dtypes of tensors, values of all else. As there, what
the function's code does besides tensor operations happens when it is traced, and what it read then
stays. Python's control flow on tensors is rewritten (see `plait.tf._autograph`). A call that cannot
be captured whole (it asks for the value of a tensor in another way) runs as Python does, each time.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from plait._higher_order_ops._traced import TracedTensor
from plait._unbuilt import not_built
from plait.compiler.compiled import Compiled
from plait.core.ir.errors import error
from plait.core.lazy.capture import current
from plait.tf import nest
from plait.tf._autograph import bodies
from plait.tf._convert import convert
from plait.tf._dispatch import state
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable


class _Settings:
    eager = False


settings = _Settings()


class Function:
    """What `tf.function` makes of a Python function."""

    def __init__(
        self,
        python_function: Callable[..., Any],
        input_signature: Any = None,
        autograph: bool = True,
        reduce_retracing: bool = False,
    ) -> None:
        functools.update_wrapper(self, python_function, updated=())
        self._python_function = python_function
        self._autograph = autograph
        self._signature = None if input_signature is None else tuple(input_signature)
        self._parameters = _parameters(python_function)
        self._traces = 0
        #: The shapes and dtypes that it has been traced for.
        self.signatures: dict[tuple[Any, ...], None] = {}
        self._running: Callable[..., Any] | None = None
        self._complete = False
        self._made: list[weakref.ref[Any]] = []
        # What the function reads besides its arguments stays as it was when it was traced.
        self._program = Compiled(self._traced, guarded=False)
        self._attribute: str | None = None

    @property
    def python_function(self) -> Callable[..., Any]:
        return self._python_function

    @property
    def input_signature(self) -> Any:
        return self._signature

    def _traced(self, *args: Any, **kwargs: Any) -> Any:
        if current() is not None or not self._traces:
            self._traces += 1
        if all(isinstance(a, Tensor) for a in args) and not kwargs and len(self.signatures) < 16:
            self.signatures.setdefault(tuple([_spec(a) for a in args]))
        tapes, outer = state.tapes, state.function
        state.function = self
        try:
            result = self._rewritten()(*args, **kwargs)
        finally:
            state.function = outer
        self._complete = True
        return nest.map_structure(_result if tapes else finished, result)

    def _rewritten(self) -> Callable[..., Any]:
        """The Python function with its control flow rewritten, where that can be."""
        running = self._running
        if running is None:
            running = self._python_function
            if self._autograph:
                from plait.tf._autograph.convert import MARK, NotConvertible, called, converted

                marked = getattr(self._python_function, MARK, None) is not None
                try:
                    running = running if marked else converted(running)
                except NotConvertible:
                    running = called(running)
            self._running = running
        return running

    def makes(self, variable: Any) -> None:
        """A variable is being made. Raises ValueError but in the first call."""
        if self._complete:
            raise _singletons()
        self._made.append(weakref.ref(variable))

    def _check_made(self) -> None:
        """Raises ValueError if the first call made a variable that nobody keeps: each call would
        make another."""
        made, self._made = self._made, []
        if any(reference() is None for reference in made):
            raise _singletons()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if settings.eager or state.graph is not None or state.inside:
            return self._python_function(*args, **kwargs)
        args, kwargs = self._arranged(args, kwargs)
        if state.tapes:
            # Part of what a tape records: the graph is the tape's.
            return self._traced(*args, **kwargs)
        result = self._program(*args, **kwargs)
        if self._made:
            self._check_made()
        return result

    def _arranged(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Arguments by position, arrays (and all that a signature names) as tensors."""
        if kwargs and self._parameters is not None:
            try:
                bound = self._parameters.bind(*args, **kwargs)
            except TypeError as fault:
                name = getattr(self._python_function, "__name__", "function")
                raise error(TypeError, f"{name}(): {fault}") from None
            args, kwargs = bound.args, bound.kwargs
        if self._signature is not None:
            return self._checked(args, kwargs), {}
        args = tuple([nest.map_structure(_argument, a) for a in args])
        return args, {name: nest.map_structure(_argument, a) for name, a in kwargs.items()}

    def _checked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments as the signature has them. Raises TypeError for others."""
        assert self._signature is not None
        if kwargs or len(args) > len(self._signature):
            name = getattr(self._python_function, "__name__", "function")
            raise error(
                TypeError,
                f"{name} takes {len(self._signature)} arguments by its input_signature, but got "
                f"{len(args) + len(kwargs)}.",
            )
        made = []
        for spec, value in zip(self._signature, args):
            made.append(
                nest.map_structure(self._fitted, spec, value)
                if nest.is_nested(spec)
                else self._fitted(spec, value)
            )
        return tuple(made)

    def _fitted(self, spec: Any, value: Any) -> Any:
        if not isinstance(spec, TensorSpec):
            return value
        try:
            tensor = convert(value, None if isinstance(value, (Tensor, Variable)) else spec.dtype)
        except (TypeError, ValueError):
            tensor = convert(value)
        if not spec.is_compatible_with(tensor):
            raise error(
                TypeError,
                f"Binding inputs to tf.function failed due to `Can not cast {_spec(tensor)} to "
                f"{spec}`.",
            )
        return tensor

    # -- the rest of TensorFlow's interface -----------------------------------------------------

    def experimental_get_tracing_count(self) -> int:
        """How often the Python function has been run."""
        return self._traces

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The function for one signature, given by tensors or `TensorSpec`s."""
        specs = args or self._signature or ()
        return ConcreteFunction(self, tuple(specs), kwargs)

    def __set_name__(self, owner: Any, name: str) -> None:
        self._attribute = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """The method of an object: each object has programs of its own, which it keeps."""
        if instance is None:
            return self
        method = self._python_function.__get__(instance, owner)
        made = Function(method, self._signature, self._autograph)
        fields = getattr(instance, "__dict__", None)
        if self._attribute is not None and fields is not None:
            fields[self._attribute] = made
        return made

    def __repr__(self) -> str:
        return f"<plait.tf.function {getattr(self._python_function, '__name__', '')}>"


class ConcreteFunction:
    """A function for one signature."""

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._outputs: Any = None

    @property
    def structured_input_signature(self) -> tuple[Any, Any]:
        return tuple([_spec(a) for a in self._args]), {
            name: _spec(a) for name, a in self._kwargs.items()
        }

    @property
    def inputs(self) -> list[Any]:
        return [_spec(a) for a in self._args]

    @property
    def name(self) -> str:
        return f"__inference_{getattr(self._function.python_function, '__name__', 'function')}"

    @property
    def structured_outputs(self) -> Any:
        """The specs of what the function gives. Raises NotImplementedError where they cannot be
        told without values (as under control flow on tensors)."""
        if self._outputs is None:
            from plait.tf._graph import result_spec

            try:
                self._outputs = result_spec(self._function.python_function, tuple(self._args))
            except Exception as fault:  # whatever the user's function does not take without values
                raise not_built(
                    f"structured_outputs of {self.name}, which asks for values ({fault})"
                ) from None
        return self._outputs

    @property
    def outputs(self) -> list[Any]:
        return nest.flatten(self.structured_outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call for tensors of this signature. Raises TypeError for others."""
        for spec, value in zip(self._args, args):
            if isinstance(spec, TensorSpec) and not spec.is_compatible_with(convert(value)):
                raise error(
                    TypeError,
                    f"Binding inputs to tf.function failed due to `Can not cast "
                    f"{_spec(convert(value))} to {spec}`.",
                )
        return self._function(*args, **kwargs)


def _singletons() -> Exception:
    return error(
        ValueError,
        "tf.function only supports singleton tf.Variables created on the first call. Make sure the "
        "tf.Variable is only created once or created outside tf.function.",
    )


def _spec(value: Any) -> Any:
    if isinstance(value, (Tensor, Variable)):
        return TensorSpec(value.shape, value.dtype)
    return value


def _parameters(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _argument(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return convert(value)
    return value


def _result(value: Any) -> Any:
    """What a function gives: tensors for numbers and arrays, all else as it is."""
    if isinstance(value, Variable):
        return value._as_tf_tensor()
    if (
        isinstance(value, Tensor)
        and isinstance(value._inner, TracedTensor)
        and not bodies.stack.writes
    ):
        raise error(
            ValueError,
            f"a tensor of shape {value.shape} and dtype {value.dtype.name}, made in a branch or in "
            "the body of a loop, is out of scope and cannot be used here: a Python list or "
            "attribute has kept it. Use a tf.TensorArray, or a name that the branch or body binds.",
        )
    if isinstance(value, (bool, int, float, np.ndarray, np.generic)):
        return convert(value)
    return value


def finished(value: Any) -> Any:
    """As `_result`; tapes inside of the function are over, so that nothing follows a result."""
    made = _result(value)
    if isinstance(made, Tensor) and made.dtype.is_floating and made._inner.requires_grad:
        return Tensor(made._inner.detach())
    return made


def function(
    func: Any = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: Any = None,
    reduce_retracing: bool = False,
    experimental_implements: Any = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: Any = None,
    experimental_compile: Any = None,
    experimental_follow_type_hints: Any = None,
) -> Any:
    """A function that is traced once for each signature and then runs as one compiled program.

    input_signature: the `TensorSpec`s that arguments must fit.
    """

    def decorate(python_function: Callable[..., Any]) -> Function:
        if isinstance(python_function, Function):
            return python_function
        return Function(python_function, input_signature, autograph)

    return decorate if func is None else decorate(func)
