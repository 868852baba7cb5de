"""`break`, `continue` and `return` inside of control flow, as flags that later statements ask.

Where one branch of an `if` surely jumps, what follows the `if` becomes part of the other branch:
both branches then bind the same names. Elsewhere what follows runs unless a flag is set.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass
from typing import Any

#: How names that rewriting makes begin; no program's own do.
PREFIX = "ag__"
#: The name of the value that a function returns.
VALUE = f"{PREFIX}value"
_RETURNED = f"{PREFIX}returned"
_LOOPS = (ast.For, ast.While)


@dataclass
class _Loop:
    """The flags of the loop around a statement; its names come into use when they are asked for."""

    number: int
    breaks: str = ""
    continues: str = ""


def expression(text: str) -> ast.expr:
    """An expression without a place: it gets that of what is around it."""
    return _placeless(ast.parse(text, mode="eval").body)


def statements(text: str) -> list[ast.stmt]:
    """Statements without a place."""
    return [_placeless(s) for s in ast.parse(text).body]


def _placeless(node: Any) -> Any:
    for part in ast.walk(node):
        for field in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
            vars(part).pop(field, None)
    return node


def _own(body: list[ast.stmt], kinds: type | tuple[type, ...], loops: bool) -> bool:
    """Whether a block holds a statement of these kinds. loops: also inside of loops in it."""
    for statement in body:
        if isinstance(statement, kinds):
            return True
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, _LOOPS) and not loops:
            if _own(statement.orelse, kinds, loops):
                return True
            continue
        if any(_own(part, kinds, loops) for part in _blocks(statement)):
            return True
    return False


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of statements that a statement holds."""
    found = [getattr(statement, field, None) for field in ("body", "orelse", "finalbody")]
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        found.append(part.body)
    return [block for block in found if isinstance(block, list)]


def surely_jumps(body: list[ast.stmt]) -> bool:
    """Whether a block never runs past its end."""
    for statement in body:
        if isinstance(statement, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return True
        if isinstance(statement, ast.If):
            if surely_jumps(statement.body) and surely_jumps(statement.orelse):
                return True
        elif isinstance(statement, ast.With) and surely_jumps(statement.body):
            return True
    return False


class Lowering:
    """The jumps of one function's body."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def function(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body, with one `return` at its end if any stood inside of control flow."""
        early = any(
            _own(block, ast.Return, True)
            for statement in body
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            for block in _blocks(statement)
        )
        if not early:
            return self.block(body, None, False)[0]
        if not surely_jumps(body):
            body = [*body, ast.Return(None)]
        made, _ = self.block(body, None, True)
        start = statements(f"{_RETURNED} = False\n{VALUE} = {PREFIX}.Undefined('{VALUE}')")
        return [*start, *made, *statements(f"return {PREFIX}.returned({VALUE})")]

    def block(
        self, body: list[ast.stmt], loop: _Loop | None, returns: bool
    ) -> tuple[list[ast.stmt], set[str]]:
        """(the block without jumps, the flags that it may set)."""
        made: list[ast.stmt] = []
        for place, statement in enumerate(body):
            rest = body[place + 1 :]
            if isinstance(statement, ast.Return) and returns:
                value = statement.value or ast.Constant(None)
                made += [*statements(f"{_RETURNED} = True"), _assign(VALUE, value, statement)]
                return made, {_RETURNED}
            if isinstance(statement, ast.Break) and loop is not None:
                loop.breaks = loop.breaks or f"{PREFIX}break{loop.number}"
                return [*made, *statements(f"{loop.breaks} = True")], {loop.breaks}
            if isinstance(statement, ast.Continue) and loop is not None:
                loop.continues = loop.continues or f"{PREFIX}continue{loop.number}"
                return [*made, *statements(f"{loop.continues} = True")], {loop.continues}
            if isinstance(statement, ast.If):
                statement, rest = _with_rest(statement, rest)
            flags = self.statement(statement, loop, returns, made)
            if rest and (flags or len(rest) != len(body) - place - 1):
                after, more = self.block(rest, loop, returns)
                made.append(_unless(flags, after, rest[0]))
                return made, flags | more
            if not rest:
                return made, flags
        return made, set()

    def statement(
        self, statement: ast.stmt, loop: _Loop | None, returns: bool, made: list[ast.stmt]
    ) -> set[str]:
        """Add a statement without jumps to a block; the flags that it may set."""
        if isinstance(statement, _LOOPS):
            return self.loop(statement, loop, returns, made)
        flags: set[str] = set()
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            holders = [statement, *getattr(statement, "handlers", ())]
            for holder in (*holders, *getattr(statement, "cases", ())):
                for field in ("body", "orelse", "finalbody"):
                    block = getattr(holder, field, None)
                    if isinstance(block, list) and block:
                        lowered, more = self.block(block, loop, returns)
                        setattr(holder, field, lowered or [ast.Pass()])
                        flags |= more
        made.append(statement)
        return flags

    def loop(
        self, statement: ast.For | ast.While, outer: _Loop | None, returns: bool, made: list
    ) -> set[str]:
        """Add a loop whose test asks the flags that its body may set."""
        own = _Loop(next(self._numbers))
        body, flags = self.block(statement.body, own, returns)
        if own.continues:
            body = [*statements(f"{own.continues} = False"), *body]
            made += statements(f"{own.continues} = False")
        if own.breaks:
            made += statements(f"{own.breaks} = False")
        stops = sorted(flags - {own.continues})
        orelse = statement.orelse
        statement.body, statement.orelse = body, []
        if stops:
            goes_on = expression(" and ".join(f"not {flag}" for flag in stops))
            if isinstance(statement, ast.While):
                first = goes_on.values if isinstance(goes_on, ast.BoolOp) else [goes_on]
                statement.test = ast.BoolOp(ast.And(), [*first, statement.test])
            else:
                statement.extra_test = goes_on  # type: ignore[attr-defined]  # read by `rewrite`
        made.append(statement)
        left = flags - {own.breaks, own.continues}
        if orelse:
            lowered, more = self.block(orelse, outer, returns)
            stopped = {own.breaks} - {""} | left
            made += [_unless(stopped, lowered, orelse[0])] if stopped else lowered
            left |= more
        return left


def _with_rest(statement: ast.If, rest: list[ast.stmt]) -> tuple[ast.If, list[ast.stmt]]:
    """The `if` with what follows it in the branch that goes on, where the other surely jumps."""
    if surely_jumps(statement.body) and _jumps(statement.body):
        statement.orelse = [*statement.orelse, *rest]
        return statement, []
    if surely_jumps(statement.orelse) and _jumps(statement.orelse):
        statement.body = [*statement.body, *rest]
        return statement, []
    return statement, rest


def _jumps(body: list[ast.stmt]) -> bool:
    return _own(body, ast.Return, True) or _own(body, (ast.Break, ast.Continue), False)


def _unless(flags: set[str], body: list[ast.stmt], where: ast.stmt) -> ast.stmt:
    test = expression(" and ".join(f"not {flag}" for flag in sorted(flags)) or "True")
    return ast.copy_location(ast.If(test, body or [ast.Pass()], []), where)


def _assign(name: str, value: ast.expr, where: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), where)
