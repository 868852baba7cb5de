"""Export of models as folders that `plait.tf.saved_model.load` reads, without the model's code.

The layout is a SavedModel's, the files are Plait's own (design page 25), which TensorFlow's servers
do not read. Other formats Keras refuses by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras.src import backend
from keras.src.backend.common.variables import standardize_dtype
from keras.src.utils import io_utils

import plait as torch

if TYPE_CHECKING:
    from plait.tf._function import Function


class PlaitExportArchive:
    """What `keras.export.ExportArchive` is on this backend: endpoints, and what they use."""

    def __init__(self) -> None:
        from plait.tf._module import Module  # TensorFlow's face loads when a model is exported

        self._root = Module("archive")
        self._tracked: list[Any] = []
        self._endpoints: dict[str, Function] = {}

    # -- what is exported ------------------------------------------------------------------------

    def track(self, resource: Any) -> None:
        """Keep the variables of a layer or model. Raises ValueError for what has none yet."""
        if getattr(resource, "built", True) is False:
            raise ValueError(
                "The layer provided has not yet been built. It must be built before export."
            )
        self._tracked.append(resource)
        self._root.resources = self._tracked  # variables are looked for in its attributes

    def add_endpoint(
        self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any
    ) -> Callable[..., Any]:
        """A function that is called by this name after loading; gives the function.

        input_signature: a sequence with a structure of specs for each argument, of which only first
        extents may be open; a `tf.function` with a signature of its own needs none. After loading,
        the leaves of structures may be given as arguments. Raises ValueError for a name that is
        there, for a function without a signature, and for options of other backends.
        """
        from plait.tf._function import Function

        if name in self._endpoints:
            raise ValueError(f"Endpoint name '{name}' is already taken.")
        if kwargs:
            raise ValueError(f"add_endpoint: options of other backends: {sorted(kwargs)}")
        if input_signature is None:
            known = isinstance(fn, Function) and (fn.input_signature or fn.signatures)
            if not known:
                raise ValueError(
                    "If the `fn` argument provided is not a `tf.function` that has been called, "
                    "you must provide an `input_signature` argument to specify the shape and dtype "
                    f"of the function inputs. Received: fn={fn!r}"
                )
            endpoint = fn
        else:
            endpoint = _endpoint(fn, input_signature)
        self._endpoints[name] = endpoint
        return endpoint

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        """A layer or model by its call."""
        self.track(resource)
        return self.add_endpoint(name, resource.__call__, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Variables that are an attribute, a list, after loading. Raises ValueError for others."""
        if not isinstance(variables, (list, tuple, set)):
            raise ValueError(
                "Expected `variables` to be a list/tuple/set. "
                f"Received instead object of type '{type(variables)}'."
            )
        for variable in variables:
            if not isinstance(variable, backend.Variable):
                raise ValueError(
                    "Expected all elements in `variables` to be `keras.Variable` instances. "
                    f"Found instead the following types: {type(variable)}"
                )
        setattr(self._root, name, list(variables))

    # -- writing ---------------------------------------------------------------------------------

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Write the folder, whole or not at all. The first endpoint is `serving_default` too.

        Raises ValueError where there is no endpoint, or one does another thing for each extent.
        """
        from plait.tf import saved_model

        if not self._endpoints:
            raise ValueError("No endpoints have been set yet. Call add_endpoint().")
        for name, endpoint in self._endpoints.items():
            setattr(self._root, name, endpoint)
        served = dict(self._endpoints)
        served.setdefault(saved_model.SERVING, next(iter(self._endpoints.values())))
        saved_model.save(self._root, str(filepath), signatures=served, options=options)
        if verbose:
            names = "\n".join(f"* Endpoint '{name}'" for name in self._endpoints)
            io_utils.print_msg(
                f"Saved artifact at '{filepath}' (read by plait.tf.saved_model.load).\n\n"
                f"The following endpoints are available:\n\n{names}"
            )


def _endpoint(fn: Callable[..., Any], signature: Any) -> Function:
    """A function of Keras' tensors as one of TensorFlow's, with a signature of leaves."""
    from plait.tf import nest
    from plait.tf._convert import convert
    from plait.tf._function import Function

    structure = [_plain(part) for part in signature]
    leaves = nest.flatten(structure)

    def call(*tensors: Any) -> Any:
        inside = [torch.as_tensor(convert(tensor)) for tensor in tensors]
        arguments = nest.pack_sequence_as(structure, inside)
        with torch.no_grad():
            result = fn(*arguments)
        return nest.map_structure(convert, result)

    call.__name__ = getattr(fn, "__name__", "serve")
    return Function(call, leaves, autograph=False)


def _plain(part: Any) -> Any:
    """A structure of specs, of whatever kind, as one of `tf.TensorSpec`s in plain containers."""
    from plait.tf._shape import TensorSpec

    if isinstance(part, dict):
        return {key: _plain(value) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        parts = [_plain(value) for value in part]
        return tuple(parts) if isinstance(part, tuple) else parts
    if getattr(part, "shape", None) is None or getattr(part, "dtype", None) is None:
        raise ValueError(f"The `shape` and `dtype` must be provided. Received: x={part}")
    if isinstance(part, TensorSpec):
        return part
    shape = tuple(part.shape)
    if isinstance(part, (backend.KerasTensor, torch.Tensor)):
        shape = (None, *shape[1:])
    return TensorSpec(shape, standardize_dtype(part.dtype), getattr(part, "name", None))


#: The name by which Keras 3.16 finds it.
SavedModelExportArchive = PlaitExportArchive
