"""What names a stretch of code binds and reads, in the function that it belongs to."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def own_nodes(body: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """All nodes of a stretch of code but those inside of functions, classes and comprehensions."""
    stack = list(body)[::-1]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            continue
        stack.extend(list(ast.iter_child_nodes(node))[::-1])


def bound(body: Iterable[ast.AST]) -> list[str]:
    """The names that a stretch of code binds, in the order in which they come."""
    found: dict[str, None] = {}
    for node in own_nodes(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found[node.id] = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = None
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((a.asname or a.name.split(".")[0], None) for a in node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found[node.name] = None
    return list(found)


def declared(body: Iterable[ast.AST], kind: type) -> set[str]:
    """The names of the `global` or `nonlocal` statements of a stretch of code."""
    return {n for s in own_nodes(body) if isinstance(s, kind) for n in s.names}  # type: ignore[attr-defined]  # both have names


def parameters(function: Any) -> list[str]:
    """The names of a function's parameters."""
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return [a.arg for a in every if a is not None]


def written_first(body: list[ast.stmt]) -> set[str]:
    """Names that a loop's body binds, every time, before it reads them."""
    found: set[str] = set()
    read: set[str] = set()
    _follow(body, found, read)
    return found


def _follow(body: list[ast.stmt], found: set[str], read: set[str]) -> None:
    """Note what statements read and bind, one after another."""
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
            read |= _loaded(statement.value)
        elif isinstance(statement, ast.With):
            for item in statement.items:
                read |= _loaded(item.context_expr)
                targets += [item.optional_vars] if item.optional_vars is not None else []
        else:
            read |= _loaded(statement)
            if isinstance(statement, ast.AugAssign):
                read |= set(bound([statement.target]))
        for target in targets:
            read |= _loaded(target)  # x[i] and x.a read x
            found |= {n for n in bound([target]) if n not in read}
        if isinstance(statement, ast.With):
            _follow(statement.body, found, read)


def _loaded(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def changes_objects(body: Iterable[ast.AST], outer: set[str]) -> bool:
    """Whether a stretch of code writes to attributes or items, or to names that are not the
    function's own."""
    for node in own_nodes(body):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)):
            return True
    return bool(set(bound(body)) & outer)
