"""Branches and bodies as functions, and the calls that choose and repeat them.

    if test:                 def then(): nonlocal y; y = 1
        y = 1         ->     def other(): nonlocal y; y = 2
    else:                    def get(): return ag__.read(lambda: y),
        y = 2                def put(values): nonlocal y; (y,) = values
                             ag__.if_stmt(test, then, other, get, put, ("y",), True)

Names that such functions bind are bound at the top of the function around them, to stand-ins that
say so when they are read too early.
"""

from __future__ import annotations

import ast
import itertools
from typing import Any

from plait.tf._autograph import names
from plait.tf._autograph.jumps import PREFIX, Lowering, statements

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Calls that look at the frame that they are made from.
_LEFT_ALONE = frozenset(["super", "locals", "globals", "vars", "eval", "exec", "dir"])


def _hook(name: str) -> ast.expr:
    return ast.Attribute(ast.Name(PREFIX, ast.Load()), name, ast.Load())


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(_hook(name), list(args), [])


def _names(names_: tuple[str, ...]) -> ast.expr:
    """A tuple of strings."""
    return ast.Tuple([ast.Constant(n) for n in names_], ast.Load())


def _lambda(body: ast.expr) -> ast.expr:
    empty = ast.arguments([], [], None, [], [], None, [])
    return ast.Lambda(empty, body)


class Rewriter(ast.NodeTransformer):
    """Rewrites the body of one function, and the functions in it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._loose: list[set[str]] = []  # names that may have no value, by function
        self._outer: list[set[str]] = []  # names of global and nonlocal statements, by function

    def function(self, node: Any) -> Any:
        """Rewrite a function's body in place."""
        if any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in _inside(node)):
            return node
        node.body = Lowering().function(node.body)
        local = names.bound(node.body)
        outer = names.declared(node.body, ast.Global) | names.declared(node.body, ast.Nonlocal)
        loose = [n for n in self._bound_in_control(node.body) if n not in outer]
        given = set(names.parameters(node))
        self._loose.append({n for n in loose if n in local and n not in given})
        self._outer.append(names.declared(node.body, ast.Global))
        declarations = [s for s in node.body if isinstance(s, (ast.Global, ast.Nonlocal))]
        body = [s for s in node.body if not isinstance(s, (ast.Global, ast.Nonlocal))]
        text = _docstring(body)
        made = self._block(body[len(text) :])
        start = [
            statement
            for name in loose
            if name not in given
            for statement in statements(f"{name} = {PREFIX}.Undefined({name!r})")
        ]
        node.body = [*text, *declarations, *start, *made] or [ast.Pass()]
        self._loose.pop()
        self._outer.pop()
        return node

    def _bound_in_control(self, body: list[ast.stmt]) -> list[str]:
        found: dict[str, None] = {}
        for node in names.own_nodes(body):
            if isinstance(node, (ast.If, ast.While, ast.For)):
                found.update(dict.fromkeys(names.bound([*node.body, *node.orelse])))
                if isinstance(node, ast.For):
                    found.update(dict.fromkeys(names.bound([node.target])))
        return list(found)

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            result = self.visit(statement)
            made += result if isinstance(result, list) else [result]
        return made

    # -- statements -----------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """A function in the function."""
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return self.function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Classes stay as they are."""
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        """As classes."""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Without its annotation: names that branches share cannot have one."""
        if node.value is None or not isinstance(node.target, ast.Name):
            return ast.copy_location(ast.Pass(), node) if node.value is None else node
        plain = ast.Assign([node.target], self.visit(node.value))
        return ast.copy_location(plain, node)

    def visit_If(self, node: ast.If) -> Any:
        """A choice."""
        shared = self._shared([*node.body, *node.orelse])
        safe = self._safe([*node.body, *node.orelse])
        test = self.visit(node.test)
        number = next(self._numbers)
        then, other = f"{PREFIX}then{number}", f"{PREFIX}else{number}"
        made = [
            self._define(then, self._block(node.body), shared),
            self._define(other, self._block(node.orelse) or [ast.Pass()], shared),
            *self._access(number, shared),
        ]
        call = _call(
            "if_stmt",
            test,
            *[ast.Name(n, ast.Load()) for n in (then, other, *_accessors(number))],
            _names(tuple(shared)),
            ast.Constant(safe),
        )
        return self._placed([*made, ast.Expr(call)], node)

    def visit_While(self, node: ast.While) -> Any:
        """A loop with a test."""
        body = node.body
        shared, safe = self._shared(body), self._safe(body)
        fresh = names.written_first(body) - _read(node.test)
        test = _lambda(self.visit(node.test))
        number = next(self._numbers)
        turn = f"{PREFIX}turn{number}"
        made = [self._define(turn, self._block(body), shared), *self._access(number, shared)]
        call = _call("while_stmt", test, *self._loop_arguments(turn, number, shared, fresh, safe))
        return self._placed([*made, ast.Expr(call)], node)

    def visit_For(self, node: ast.For) -> Any:
        """A loop over something."""
        item = f"{PREFIX}item"
        head = ast.copy_location(ast.Assign([node.target], ast.Name(item, ast.Load())), node)
        body: list[ast.stmt] = [head, *node.body]
        shared, safe = self._shared(body), self._safe(body)
        extra = getattr(node, "extra_test", None)
        fresh = names.written_first(body) - (set() if extra is None else _read(extra))
        iterated = self._iterated(node.iter)
        goes_on = ast.Constant(None) if extra is None else _lambda(self.visit(extra))
        number = next(self._numbers)
        turn = f"{PREFIX}turn{number}"
        definition = self._define(turn, self._block(body), shared, [ast.arg(item)])
        made = [definition, *self._access(number, shared)]
        call = _call(
            "for_stmt", iterated, goes_on, *self._loop_arguments(turn, number, shared, fresh, safe)
        )
        return self._placed([*made, ast.Expr(call)], node)

    def _iterated(self, node: ast.expr) -> ast.expr:
        """What a loop goes over; numbers up to a tensor are not counted out."""
        made = self.visit(node)
        if isinstance(node, ast.Call) and isinstance(made, ast.Call):
            inner = made.func
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                inner.func = _hook("iterated")
        return made

    def _loop_arguments(
        self, turn: str, number: int, shared: list[str], fresh: set[str], safe: bool
    ) -> list[ast.expr]:
        return [
            *[ast.Name(n, ast.Load()) for n in (turn, *_accessors(number))],
            _names(tuple(shared)),
            _names(tuple([n for n in shared if n in fresh])),
            ast.Constant(safe),
        ]

    def _shared(self, body: list[ast.stmt]) -> list[str]:
        return [n for n in names.bound(body) if n not in self._outer[-1]]

    def _safe(self, body: list[ast.stmt]) -> bool:
        return not names.changes_objects(body, self._outer[-1])

    def _define(
        self, name: str, body: list[ast.stmt], shared: list[str], args: Any = ()
    ) -> ast.stmt:
        """A function of a block, which binds names of the function around it."""
        start: list[ast.stmt] = [ast.Nonlocal(list(shared))] if shared else []
        globals_ = sorted(self._outer[-1] & set(names.bound(body)))
        start += [ast.Global(globals_)] if globals_ else []
        arguments = ast.arguments([], list(args), None, [], [], None, [])
        return _function(name, arguments, [*start, *body])

    def _access(self, number: int, shared: list[str]) -> list[ast.stmt]:
        """Functions that give and set the names that a block binds."""
        get, put = _accessors(number)
        values = "".join(f"{PREFIX}.read(lambda: {n}, {n!r}), " for n in shared)
        names_ = "".join(f"{n}, " for n in shared)
        lines = [f"def {get}():", f"    return ({values})", f"def {put}(values):"]
        if shared:
            lines += [f"    nonlocal {names_.rstrip(', ')}", f"    ({names_}) = values"]
        else:
            lines.append("    pass")
        return statements("\n".join(lines))

    def _placed(self, made: list[ast.stmt], node: ast.stmt) -> list[ast.stmt]:
        """Statements at the place of the one that they stand for."""
        for statement in made:
            for part in ast.walk(statement):
                if not hasattr(part, "lineno"):
                    ast.copy_location(part, node)
        return made

    # -- expressions ----------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> Any:
        """A name that may have no value says so when it is read."""
        if isinstance(node.ctx, ast.Load) and self._loose and node.id in self._loose[-1]:
            return ast.copy_location(_call("load", node), node)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """A function in the function: its own names hide others."""
        hidden = set(names.parameters(node))
        return self._hiding(hidden, node)

    def _hiding(self, hidden: set[str], node: Any) -> Any:
        self._loose.append((self._loose[-1] if self._loose else set()) - hidden)
        try:
            return self.generic_visit(node)
        finally:
            self._loose.pop()

    def _comprehension(self, node: Any) -> Any:
        targets = [n for g in node.generators for n in names.bound([g.target])]
        return self._hiding(set(targets), node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """`and`, `or`: later operands only if they are needed."""
        if _binds(node):
            return self.generic_visit(node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        parts = [_lambda(self.visit(v)) for v in node.values]
        return ast.copy_location(_call(name, *parts), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """`not`."""
        made = self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(_call("not_", made.operand), node)  # type: ignore[attr-defined]  # a UnaryOp
        return made

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """`a if test else b`."""
        if _binds(node):
            return self.generic_visit(node)
        test, then, other = (self.visit(part) for part in (node.test, node.body, node.orelse))
        return ast.copy_location(_call("if_exp", test, _lambda(then), _lambda(other)), node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        """`a < b < c` is an `and` where b is the same at each reading."""
        middle = node.comparators[:-1]
        if not middle or not all(isinstance(m, (ast.Name, ast.Constant)) for m in middle):
            return self.generic_visit(node)
        operands = [node.left, *node.comparators]
        parts = [
            _lambda(ast.Compare(self.visit(a), [op], [self.visit(b)]))
            for a, op, b in zip(operands, node.ops, operands[1:])
        ]
        return ast.copy_location(_call("and_", *parts), node)

    def visit_Call(self, node: ast.Call) -> Any:
        """A call of what may be a function with control flow in it."""
        made = self.generic_visit(node)
        named = isinstance(node.func, ast.Name) and node.func.id
        if not isinstance(made, ast.Call) or named in _LEFT_ALONE:
            return made
        made.func = ast.copy_location(_call("call", made.func), node)
        return made


def _accessors(number: int) -> tuple[str, str]:
    return f"{PREFIX}get{number}", f"{PREFIX}put{number}"


def _function(name: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    made = ast.FunctionDef(name, arguments, body, [], None)
    if "type_params" in ast.FunctionDef._fields:  # from Python 3.12 on
        vars(made)["type_params"] = []
    return made


def _inside(node: Any) -> Any:
    """The nodes of a function, but not those of functions in it."""
    return names.own_nodes(node.body)


def _read(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _binds(node: ast.expr) -> bool:
    """Whether an expression binds a name, which a function of it would not."""
    return any(isinstance(n, (ast.NamedExpr, ast.Await, ast.Yield)) for n in ast.walk(node))


def _docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    held = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[:1] if held and isinstance(first.value.value, str) else []  # type: ignore[union-attr]  # as tested
