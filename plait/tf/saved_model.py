"""`tf.saved_model`: models as folders. The layout is TensorFlow's, the files are Plait's own.

    saved_model.plait.json      objects, functions as graphs, signatures
    variables/variables.plait.npz
    assets/

Loading runs no code of the file: graphs are read, verified and recorded. Protocol buffers of
TensorFlow's are neither written nor read.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.tf import errors, nest
from plait.tf._convert import convert
from plait.tf._function import ConcreteFunction, Function
from plait.tf._module import Module
from plait.tf._saved_graphs import graph_of, is_open, recorded
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable

MARKER = "saved_model.plait.json"
_VARIABLES = os.path.join("variables", "variables.plait.npz")
_FORMAT = 1

SERVING = "serving_default"
DEFAULT_SERVING_SIGNATURE_DEF_KEY = SERVING


class SaveOptions:
    """Accepted: what is saved does not depend on options."""

    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)


LoadOptions = SaveOptions


class Asset:
    """A file that a model needs: it is copied into `assets/`."""

    def __init__(self, path: Any) -> None:
        self.asset_path = os.fspath(path)


# -- saving ---------------------------------------------------------------------------------------


class _Writer:
    """What is found in an object: variables, functions and assets by path."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        #: Further paths to variables, by the first.
        self.others: dict[str, str] = {}
        self.functions: dict[str, list[Any]] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.assets: dict[str, str] = {}
        self._seen: dict[int, str] = {}
        self._pending: list[tuple[str, Any]] = []

    def find(self, value: Any, path: str) -> None:
        """Take in an object and all that its attributes lead to."""
        if isinstance(value, Variable) or _is_keras_variable(value):
            first = self.names.setdefault(id(value), path)
            if first == path:
                self.variables[path] = value
            else:
                self.others[path] = first
            return
        if isinstance(value, Asset):
            self.assets[path] = value.asset_path
            return
        if isinstance(value, (Function, ConcreteFunction)):
            self._pending.append((path, value))
            return
        if id(value) in self._seen or isinstance(value, (str, bytes, int, float, np.ndarray)):
            return
        self._seen[id(value)] = path
        for key, part in _parts(value):
            self.find(part, f"{path}/{key}" if path else str(key))

    def write_functions(self) -> None:
        """Record the functions that were found, for each signature that is known of them."""
        for path, function in self._pending:
            for specs in _signatures_of(function):
                self.function(path, function, specs)

    def function(self, path: str, function: Any, specs: list[TensorSpec]) -> None:
        """Record one function for one signature."""
        if any(spec.dtype.core is None for spec in specs):
            raise error(errors.UnimplementedError, f"{path}: functions of strings are not saved")
        whole = function if isinstance(function, Function) else function._function
        first, text = recorded(whole._rewritten(), specs)
        inputs = [self._input(path, k, *leaf) for k, leaf in enumerate(first.leaves)]
        self.functions.setdefault(path, []).append(
            {
                "arguments": [_spec_to_json(s) for s in specs],
                "names": _argument_names(whole, specs),
                "graph": text,
                "inputs": inputs,
                "structure": _structure_to_json(first.structure),
                "writes": [self.names[id(v)] for v in first.written],
            }
        )

    def _input(self, path: str, number: int, cell: int | None, value: Any) -> str:
        """The name of what a function reads besides its arguments: a variable, or a constant."""
        for name, variable in self.variables.items():
            held = variable.cell() if isinstance(variable, Variable) else variable.value
            if cell == id(held._cell):
                return f"v:{name}"
        if value is None:
            raise error(ValueError, f"tf.saved_model.save: {path} reads what is not computed yet")
        name = f"{path}/{number}"
        self.constants[name] = np.asarray(value).copy()
        return f"c:{name}"


def _is_keras_variable(value: Any) -> bool:
    return hasattr(value, "assign") and hasattr(value, "trainable") and hasattr(value, "value")


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if not hasattr(value, "__dict__") or isinstance(value, type):
        return []
    held = {k: v for k, v in vars(value).items() if not k.startswith("_")}
    for cls in reversed(type(value).__mro__):
        for name, member in vars(cls).items():
            if isinstance(member, Function):
                held[name] = getattr(value, name)
    if not isinstance(value, Module) and hasattr(value, "weights"):
        held = {str(k): w for k, w in enumerate(value.weights)}  # a layer of Keras
    return list(held.items())


def _signatures_of(function: Any) -> list[list[TensorSpec]]:
    """The signatures that a function has been given, or has been called with."""
    if isinstance(function, ConcreteFunction):
        return [[_as_spec(a) for a in function._args]]
    if function.input_signature is not None:
        return [[_as_spec(s) for s in function.input_signature]]
    found = []
    for args in function.signatures:
        if all(isinstance(a, TensorSpec) for a in args):
            found.append(list(args))
    return found


def _as_spec(value: Any) -> TensorSpec:
    if isinstance(value, TensorSpec):
        return value
    if isinstance(value, (Tensor, Variable)):
        return TensorSpec(value.shape, value.dtype)
    raise error(
        ValueError, f"tf.saved_model.save: signatures are made of TensorSpecs, got {value!r}"
    )


def _argument_names(function: Function, specs: list[TensorSpec]) -> list[str]:
    known = [] if function._parameters is None else list(function._parameters.parameters)
    return [
        spec.name or (known[k] if k < len(known) else f"args_{k}") for k, spec in enumerate(specs)
    ]


def _spec_to_json(spec: TensorSpec) -> dict[str, Any]:
    return {"shape": list(spec.shape), "dtype": spec.dtype.name, "name": spec.name}


def _structure_to_json(value: Any) -> Any:
    """A structure of results: its leaves are None."""
    if isinstance(value, dict):
        return {"dict": {str(k): _structure_to_json(v) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_structure_to_json(v) for v in value]}
    return None


def save(obj: Any, export_dir: Any, signatures: Any = None, options: Any = None) -> None:
    """Write an object's variables, and its `tf.function`s for the signatures known of them.

    signatures: a function, or a dict of functions, whose signatures are known: what servers call.
    The folder is there whole or not at all. Raises ValueError for functions that cannot be
    recorded (they ask for values, or leave more open than a first extent).
    """
    writer = _Writer()
    writer.find(obj, "")
    writer.write_functions()
    served = {}
    for key, function in _named_signatures(signatures).items():
        found = _signatures_of(function)
        if len(found) != 1:
            raise error(
                ValueError,
                f"signatures[{key!r}]: the function must have one signature, it has {len(found)}: "
                "give it an input_signature, or use get_concrete_function",
            )
        writer.function(f"signatures:{key}", function, found[0])
        served[key] = f"signatures:{key}"
    record = {
        "format": _FORMAT,
        "variables": {
            name: {"trainable": bool(v.trainable), "name": getattr(v, "name", name)}
            for name, v in writer.variables.items()
        },
        "others": writer.others,
        "functions": writer.functions,
        "signatures": served,
        "assets": {path: os.path.basename(file) for path, file in writer.assets.items()},
    }
    arrays = {f"v:{n}": _array_of(v) for n, v in writer.variables.items()}
    arrays |= {f"c:{n}": a for n, a in writer.constants.items()}
    _write(os.fspath(export_dir), record, arrays, writer.assets)


def _named_signatures(signatures: Any) -> dict[str, Any]:
    if signatures is None:
        return {}
    found = signatures if isinstance(signatures, dict) else {SERVING: signatures}
    for key, function in found.items():
        if not isinstance(function, (Function, ConcreteFunction)):
            raise error(
                ValueError,
                f"signatures[{key!r}] must be a tf.function or a concrete function, got "
                f"{type(function).__name__}",
            )
    return found


def _array_of(variable: Any) -> np.ndarray:
    array = np.asarray(variable.numpy())
    if array.dtype == object:
        raise error(errors.UnimplementedError, f"{variable.name!r}: strings are not saved")
    return array


def _write(folder: str, record: dict[str, Any], arrays: Any, assets: dict[str, str]) -> None:
    """Write a folder beside the place that it is for, and move it there."""
    parent = os.path.dirname(os.path.abspath(folder))
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(dir=parent, prefix=".saving-")
    try:
        for part in ("variables", "assets"):
            os.mkdir(os.path.join(temporary, part))
        for file in assets.values():
            shutil.copy(file, os.path.join(temporary, "assets", os.path.basename(file)))
        kinds = {name: convert(a).dtype.name for name, a in arrays.items()}
        plain = {n: a.view(np.uint16) if kinds[n] == "bfloat16" else a for n, a in arrays.items()}
        np.savez(os.path.join(temporary, _VARIABLES), **plain)
        record["dtypes"] = kinds
        with open(os.path.join(temporary, MARKER), "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.chmod(temporary, 0o755)
        if os.path.isdir(folder):
            old = tempfile.mkdtemp(dir=parent, prefix=".old-")
            os.rename(folder, os.path.join(old, "model"))
            os.rename(temporary, folder)
            shutil.rmtree(old)
        else:
            os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


# -- loading --------------------------------------------------------------------------------------


class _Restored:
    """An object of a loaded model: variables, functions and other objects as attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = vars(self).get("__call__")
        if function is None:
            raise error(TypeError, "the saved object had no tf.function __call__")
        return function(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return vars(self)[str(key)]

    def __len__(self) -> int:
        return len(vars(self))

    @property
    def variables(self) -> list[Any]:
        return _variables_in(self)

    @property
    def trainable_variables(self) -> list[Any]:
        return [v for v in self.variables if v.trainable]


def _variables_in(value: Any) -> list[Any]:
    if isinstance(value, Variable):
        return [value]
    if not isinstance(value, _Restored):
        return []
    found: dict[int, Any] = {}
    for part in vars(value).values():
        found.update((id(v), v) for v in _variables_in(part))
    return list(found.values())


class RestoredFunction:
    """A function of a loaded model: the graphs of its signatures."""

    def __init__(self, entries: list[dict[str, Any]], tensors: dict[str, Any]) -> None:
        self._entries = entries
        self._tensors = tensors
        self._specs = [
            [TensorSpec(a["shape"], a["dtype"], a["name"]) for a in entry["arguments"]]
            for entry in entries
        ]
        self._program = Function(self._run, autograph=False)

    @property
    def input_signature(self) -> Any:
        return tuple(self._specs[0]) if len(self._specs) == 1 else None

    @property
    def structured_input_signature(self) -> Any:
        names = self._entries[0]["names"]
        return (), dict(zip(names, self._specs[0]))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Structures of tensors are taken for their leaves. Raises ValueError for arguments of none
        of the saved signatures."""
        args = tuple(nest.flatten(list(args)))
        for number, specs in enumerate(self._specs):
            names = self._entries[number]["names"]
            if len(args) + len(kwargs) != len(specs) or not set(kwargs) <= set(names[len(args) :]):
                continue
            given = [*args, *[kwargs[n] for n in names[len(args) :]]]
            tensors = [_fitting(value, spec) for value, spec in zip(given, specs)]
            if all(t is not None for t in tensors):
                return self._program(number, *tensors)
        raise error(
            ValueError,
            "Could not find matching concrete function to call loaded from the SavedModel. Got "
            f"{args!r} {kwargs!r}; the saved signatures are {self._specs}",
        )

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> RestoredFunction:
        """The function itself: it has its signatures."""
        return self

    def _run(self, number: int, *tensors: Any) -> Any:
        entry, specs = self._entries[number], self._specs[number]
        extents = {
            int(t.shape[0]) for t, s in zip(tensors, specs) if s.shape.rank and s.shape[0] is None
        }
        if len(extents) > 1:
            raise error(
                errors.InvalidArgumentError,
                f"the first extents of a saved function's arguments differ: {sorted(extents)}",
            )
        graph = graph_of(entry["graph"], extents.pop() if extents else None)
        held = [_core(self._tensors[name]) for name in entry["inputs"]]
        results = list(graph.replay(*[t.inner() for t in tensors], *held))
        count = len(results) - len(entry["writes"])
        for name, value in zip(entry["writes"], results[count:]):
            with grad_mode(False):
                self._tensors[f"v:{name}"].write(value)
        return _filled(entry["structure"], iter([Tensor(r) for r in results[:count]]))


def _core(value: Any) -> Any:
    """The core's tensor of a variable, which tapes follow, or of a constant."""
    return convert(value).inner()


def _fitting(value: Any, spec: TensorSpec) -> Any:
    try:
        tensor = convert(value, None if isinstance(value, (Tensor, Variable)) else spec.dtype)
    except (TypeError, ValueError):
        return None
    return tensor if spec.is_compatible_with(tensor) else None


def _filled(structure: Any, leaves: Any) -> Any:
    if structure is None:
        return next(leaves)
    ((kind, parts),) = structure.items()
    if kind == "dict":
        made = {key: _filled(parts[key], leaves) for key in sorted(parts)}
        return {key: made[key] for key in parts}
    values = [_filled(part, leaves) for part in parts]
    return values if kind == "list" else tuple(values)


class _Signature:
    """A function that servers call: arguments by name, results as a dict."""

    def __init__(self, function: RestoredFunction) -> None:
        self._function = function

    @property
    def structured_input_signature(self) -> Any:
        return self._function.structured_input_signature

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        result = self._function(*args, **kwargs)
        if isinstance(result, dict):
            return result
        return {f"output_{k}": leaf for k, leaf in enumerate(nest.flatten(result))}


def contains_saved_model(export_dir: Any) -> bool:
    """Whether a folder holds a model that `load` reads."""
    return os.path.isfile(os.path.join(os.fspath(export_dir), MARKER))


def load(export_dir: Any, tags: Any = None, options: Any = None) -> Any:
    """The object that was saved, with its variables and functions. Runs no code of the file.

    Raises OSError for a folder without a model, ValueError for one of another format.
    """
    folder = os.fspath(export_dir)
    path = os.path.join(folder, MARKER)
    if not os.path.isfile(path):
        other = os.path.exists(os.path.join(folder, "saved_model.pb"))
        text = ", but TensorFlow's own saved_model.pb, which Plait does not read" if other else ""
        raise error(OSError, f"SavedModel file does not exist at: {path}{text}")
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    if record.get("format") != _FORMAT:
        raise error(ValueError, f"{path} is of format {record.get('format')}, not {_FORMAT}")
    tensors = _tensors(os.path.join(folder, _VARIABLES), record)
    root = _Restored()
    for name in record["variables"]:
        _place(root, name, tensors[f"v:{name}"])
    for name, first in record.get("others", {}).items():
        _place(root, name, tensors[f"v:{first}"])
    for name, entries in record["functions"].items():
        if not name.startswith("signatures:"):
            _place(root, name, RestoredFunction(entries, tensors))
    for name, file_name in record["assets"].items():
        _place(root, name, Asset(os.path.join(folder, "assets", os.path.basename(file_name))))
    signatures = {
        key: _Signature(RestoredFunction(record["functions"][name], tensors))
        for key, name in record["signatures"].items()
    }
    vars(root)["signatures"] = signatures
    return root


def _tensors(path: str, record: dict[str, Any]) -> dict[str, Any]:
    """Variables and constants by name."""
    import ml_dtypes

    made: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            array = archive[name]
            if record["dtypes"][name] == "bfloat16":
                array = array.view(ml_dtypes.bfloat16)
            if name.startswith("v:"):
                about = record["variables"][name[2:]]
                made[name] = Variable(array, trainable=about["trainable"])
            else:
                made[name] = convert(array)
    return made


def _place(root: _Restored, path: str, value: Any) -> None:
    """Put a value at a path of attributes, with objects in between."""
    *outer, last = path.split("/")
    held = root
    for part in outer:
        inside = vars(held).get(part)
        if not isinstance(inside, _Restored):
            inside = vars(held)[part] = _Restored()
        held = inside
    vars(held)[last] = value
