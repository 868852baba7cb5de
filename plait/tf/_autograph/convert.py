"""A function with its control flow rewritten. It shares the cells of the one it is made from."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from plait.tf._autograph.jumps import PREFIX
from plait.tf._autograph.rewrite import Rewriter

#: Set on functions that stay as they are (`tf.autograph.experimental.do_not_convert`).
MARK = "_plait_autograph"
#: Packages whose functions stay as they are.
_OURS = frozenset(["plait", "keras", "keras_plait", "numpy", "ml_dtypes", "llvmlite"])
_LIBRARIES = tuple(
    {os.path.realpath(sysconfig.get_paths()[k]) for k in ("stdlib", "purelib", "platlib")}
)


class NotConvertible(Exception):
    """Why a function stays as it is."""


def is_own(function: Any) -> bool:
    """Whether a function is the program's: not of Python, an installed package or Plait."""
    module = (getattr(function, "__module__", None) or "").split(".")[0]
    if module in _OURS or module in sys.stdlib_module_names:
        return False
    file = os.path.realpath(function.__code__.co_filename)
    return not file.startswith(_LIBRARIES)


_codes: WeakKeyDictionary[types.CodeType, types.CodeType] = WeakKeyDictionary()


def tree_of(function: types.FunctionType) -> ast.FunctionDef:
    """The syntax tree of a function alone. Raises NotConvertible where there is no source."""
    code = function.__code__
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        raise NotConvertible("its source code is not available") from None
    try:
        module = ast.parse(textwrap.dedent("".join(lines)))
    except SyntaxError:
        raise NotConvertible("its source code cannot be read by itself") from None
    ast.increment_lineno(module, first - 1)
    if code.co_name == "<lambda>":
        return _lambda(module, code)
    found = module.body[0]
    if not isinstance(found, ast.FunctionDef):
        raise NotConvertible("it is no function with a body")
    return found


def _lambda(module: ast.Module, code: types.CodeType) -> ast.FunctionDef:
    """A lambda as a function. Several in one line are told apart by their parameters."""
    wanted = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Lambda)
        and tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        == wanted
    ]
    if len(found) != 1:
        raise NotConvertible("there is more than one lambda like it in its line")
    node = found[0]
    made = ast.FunctionDef("lambda_", node.args, [ast.Return(node.body)], [], None)
    if "type_params" in ast.FunctionDef._fields:  # from Python 3.12 on
        vars(made)["type_params"] = []
    return ast.fix_missing_locations(ast.copy_location(made, node))


def rewritten(function: types.FunctionType) -> ast.FunctionDef:
    """The rewritten tree of a function. Raises NotConvertible."""
    tree = tree_of(function)
    tree.decorator_list = []
    tree.returns = None
    for part in ast.walk(tree.args):
        if isinstance(part, ast.arg):
            part.annotation = None
    tree.args.defaults = [ast.Constant(None) for _ in tree.args.defaults]
    tree.args.kw_defaults = [d and ast.Constant(None) for d in tree.args.kw_defaults]
    if "__class__" in function.__code__.co_freevars and tree.args.args:
        _Super(tree.args.args[0].arg).visit(tree)
    return ast.fix_missing_locations(Rewriter().function(tree))


class _Super(ast.NodeTransformer):
    """`super()` with its arguments written out: a branch that is a function has no `self`."""

    def __init__(self, first: str) -> None:
        self._first = first

    def visit_Call(self, node: ast.Call) -> Any:
        """One call."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            node.args = [ast.Name(n, ast.Load()) for n in ("__class__", self._first)]
        return node


def _code_of(function: types.FunctionType) -> types.CodeType:
    """The rewritten code of a function, made once. Raises NotConvertible."""
    code = function.__code__
    made = _codes.get(code)
    if made is None:
        tree = rewritten(function)
        free = [n for n in code.co_freevars if n != PREFIX]
        text = f"def {PREFIX}make({', '.join([PREFIX, *free])}):\n    pass"
        factory = ast.parse(text)
        outer = factory.body[0]
        assert isinstance(outer, ast.FunctionDef)
        outer.body = [tree]
        try:
            whole = compile(ast.fix_missing_locations(factory), code.co_filename, "exec")
        except SyntaxError as fault:
            raise NotConvertible(f"its rewritten code does not compile: {fault}") from None
        made = _named(_named(whole, outer.name), tree.name)
        _codes[code] = made
    return made


def _named(code: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


@functools.cache
def _operators() -> types.CellType:
    from plait.tf._autograph import operators

    return types.CellType(operators)


def converted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its control flow rewritten. Raises NotConvertible.

    Takes functions and methods of objects; what is called by them is converted when it is called.
    """
    if isinstance(function, types.MethodType):
        return types.MethodType(converted(function.__func__), function.__self__)
    if not isinstance(function, types.FunctionType):
        raise NotConvertible(f"it is a {type(function).__name__}, not a function")
    if function.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE):
        raise NotConvertible("it is a generator")
    code = _code_of(function)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    closure = tuple([_operators() if n == PREFIX else cells[n] for n in code.co_freevars])
    made = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__module__ = function.__module__
    made.__qualname__ = function.__qualname__
    made.__dict__[MARK] = "converted"
    return made


def called(function: Any) -> Any:
    """What a rewritten function calls in the place of what it names."""
    kind = type(function)
    if kind is types.FunctionType:
        marked = function.__dict__.get(MARK)
    elif kind is types.MethodType and isinstance(function.__func__, types.FunctionType):
        marked = function.__func__.__dict__.get(MARK)
        kind = types.FunctionType
    else:
        return _of_object(function, kind)
    if marked is not None or not is_own(getattr(function, "__func__", function)):
        return function
    try:
        return converted(function)
    except NotConvertible:
        return function


def _of_object(function: Any, kind: type) -> Any:
    """An object of a class of the program's own that can be called."""
    call = next((vars(c)["__call__"] for c in kind.__mro__ if "__call__" in vars(c)), None)
    if isinstance(call, types.FunctionType) and is_own(call) and MARK not in call.__dict__:
        try:
            return types.MethodType(converted(call), function)
        except NotConvertible:
            return function
    return function
