"""TorchScript's names. A scripted function is the function: compilation needs no other language.

`script` and `trace` give back what they were given, decorators mark nothing. `save` writes a module
with the names of its classes, `load` reads such files, and the weights of TorchScript archives.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from plait._unbuilt import not_built, unbuilt
from plait.core.ir.errors import error
from plait.nn.modules.module import Module

__all__ = [
    "Final",
    "annotate",
    "annotations",
    "export",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "unused",
]

T = TypeVar("T")

# A submodule; an import statement would find the future of that name.
annotations = importlib.import_module("plait.jit.annotations")


#: The modules that were scripted or traced, by identity.
_scripted: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()


def _marked(obj: T) -> T:
    """The object, from now on a ScriptModule if it is a module."""
    if hasattr(obj, "named_modules"):
        _scripted[obj] = None
    return obj


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """`obj` itself: the plain call means the same. A module becomes a ScriptModule by it."""
    return _marked(obj)


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """`func` itself, not limited to the path that the example takes; see `script`."""
    return _marked(func)


def trace_module(mod: T, inputs: Any, *args: Any, **kwargs: Any) -> T:
    """`mod` itself; see `script`."""
    return _marked(mod)


def export(fn: T) -> T:
    """`fn` itself."""
    return fn


def script_method(fn: T) -> T:
    """`fn` itself."""
    return fn


def _overload(func: T) -> T:
    """`func` itself: one signature of several, which the last definition replaces."""
    return func


_overload_method = _overload


def script_if_tracing(fn: T) -> T:
    """`fn` itself."""
    return fn


def interface(obj: T) -> T:
    """`obj` itself."""
    return obj


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that changes nothing; with or without arguments."""
    return drop if callable(drop) else _unchanged


def unused(fn: T) -> T:
    """`fn` itself."""
    return fn


def _unchanged(fn: T) -> T:
    return fn


def is_scripting() -> bool:
    """False: code runs as Python."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether `obj` is of a type; a container type is checked by its container alone."""
    import builtins
    import typing

    origin = typing.get_origin(target_type)
    return builtins.isinstance(obj, origin or target_type)


Attribute = annotate


def freeze(mod: T, *args: Any, **kwargs: Any) -> T:
    """`mod` itself. Raises RuntimeError for a module in training mode."""
    if getattr(mod, "training", False):
        raise error(
            RuntimeError,
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() "
            "on your module before freezing.",
        )
    return mod


def optimize_for_inference(mod: T, *args: Any, **kwargs: Any) -> T:
    """`mod` itself."""
    return mod


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of the call, made at once."""
    return func(*args, **kwargs)


def wait(future: Any) -> Any:
    """The result that `fork` gave."""
    return future


@contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Nothing to switch."""
    yield


@contextmanager
def fuser(name: str) -> Iterator[None]:
    """Nothing to switch."""
    yield


def enable_onednn_fusion(enabled: bool) -> None:
    """Nothing to switch."""


_script_if_tracing = script_if_tracing


class _Never(type):
    """No object is an instance."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return False


class _Scripted(type):
    """Modules that were scripted or traced are instances, besides those of classes made of it."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is ScriptModule and hasattr(instance, "named_modules") and instance in _scripted


class ScriptModule(Module, metaclass=_Scripted):
    """What `script` and `trace` give for modules: these themselves. As a base, a module."""


class ScriptFunction(metaclass=_Never):
    """TorchScript's function; there are none."""


RecursiveScriptModule = ScriptModule


class Error(RuntimeError):
    """TorchScript's error; never raised."""


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Write a module to a path or a file object: its weights, its attributes, names of its classes.

    Its code is not written, and PyTorch's `torch.jit.load` does not read the file. Raises
    NotImplementedError for what is no module.
    """
    importlib.import_module("plait.jit._saved").save(m, f, _extra_files)


def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The module that `save` wrote, or that of a TorchScript archive: its weights without code.

    Of a file of `save`: the module as it was, made of the classes of that name that this process
    has defined; RuntimeError where it has not. Of an archive: parameters, buffers and submodules;
    `state_dict()` of it is PyTorch's, so that the class in Python can load it, and a call raises
    NotImplementedError. Nothing in either file is executed. Raises what `torch.load` does for
    damaged files.
    """
    return importlib.import_module("plait.jit._archive").load(f, map_location)


__getattr__ = unbuilt(
    "torch.jit", ("CompilationUnit", "onednn_fusion_enabled", "set_fusion_strategy")
)
