"""`plait coverage script.py`: the names of torch, torchvision, torchaudio and tensorflow that a
program uses, and which of them Plait lacks.

The program is parsed, not run. A name is what is reached from an import (`nn.Linear` after
`import torch.nn as nn`, `from torch import optim`, ...). Whose method `x.relu()` is cannot be read
off: an attribute of anything else counts as one of `Tensor`, `Module`, `Optimizer` or a scheduler
where it is spelled like one, and as a missing one where only PyTorch's tensors have it. In a
program that imports tensorflow alone, methods are not counted.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plait.aliasing import TARGETS

PACKAGES = {name: TARGETS[name] for name in ("torch", "torchvision", "torchaudio", "tensorflow")}
EXIT_MISSING, EXIT_CANNOT_READ = 1, 2
METHODS = Path(__file__).with_name("torch_methods.txt")
#: Where methods are looked for, and what a report calls their owners.
OWNERS = ("Tensor", "nn.Module", "Optimizer", "Scheduler")


def coverage_of_script(path: str) -> int:
    """Print the names the script at `path` uses and which are missing.

    Returns 0 where Plait has them all, 1 where it lacks one, 2 for a file that cannot be parsed.
    """
    try:
        source = Path(path).read_text("utf-8")
        found = names_of(source, path)
    except OSError as fault:
        print(f"plait coverage: can't open file {path!r}: {fault.strerror}", file=sys.stderr)
        return EXIT_CANNOT_READ
    except (SyntaxError, ValueError) as fault:
        print(f"plait coverage: can't parse file {path!r}: {fault}", file=sys.stderr)
        return EXIT_CANNOT_READ
    missing = 0
    width = max((len(name) for name in found), default=0)
    for name, lines in sorted(found.items()):
        there = has(name)
        missing += not there
        where = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
        print(f"{name:<{width}}  {'ok     ' if there else 'MISSING'}  line {where}")
    print(f"{len(found)} names, {missing} missing")
    return EXIT_MISSING if missing else 0


# -- what Plait has -----------------------------------------------------------------------------


def has(name: str) -> bool:
    """Whether Plait has a name: `torch.nn.Linear`, `Tensor.relu`, `[import] torch.fx`, ...

    `A|B.method` is a method of both. What is listed and not built, or says just that when it is
    called, counts as missing.
    """
    if name.startswith("[import] "):
        return _module(name.removeprefix("[import] ")) is not None
    owner, _, attribute = name.rpartition(".")
    if owner.replace("|", ".").split(".")[0] in ("Tensor", "Tensor?", "Module", "nn"):
        return all(_owner_has(part, attribute) for part in owner.split("|"))
    if owner.split("|")[0] in ("Optimizer", "Scheduler"):
        return all(_owner_has(part, attribute) for part in owner.split("|"))
    if not owner:
        return name in PACKAGES
    found = _reach(name)
    return found is not None and not _only_says_no(found)


def _only_says_no(found: Any) -> bool:
    """Whether a function, or a class when it is made, does nothing but say that it is not built."""
    function = found.__dict__.get("__init__") if inspect.isclass(found) else found
    if not inspect.isfunction(function):
        return False
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # made without a file
        return False
    (definition,) = tree.body
    body = [
        statement
        for statement in getattr(definition, "body", [])
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return (
        len(body) == 1
        and isinstance(body[0], ast.Raise)
        and isinstance(body[0].exc, ast.Call)
        and isinstance(body[0].exc.func, ast.Name)
        and body[0].exc.func.id == "not_built"
    )


def _owner_has(owner: str, attribute: str) -> bool:
    """Whether instances of a class have an attribute."""
    return any(_has_attribute(one, attribute) for one in _owner(owner.rstrip("?")))


def _owner(owner: str) -> list[Any]:
    """What shows the attributes of an owner: the class, or an instance where these are its own."""
    import plait

    optimizer = plait.optim.SGD([plait.zeros(1)])
    return {
        "Tensor": [plait.Tensor],
        "Module": [plait.nn.Module],
        "nn.Module": [plait.nn.Module, plait.nn.Module()],
        "Optimizer": [optimizer],
        "Scheduler": [plait.optim.lr_scheduler.StepLR(optimizer, 1)],
    }[owner]


def _has_attribute(holder: Any, attribute: str) -> bool:
    try:
        getattr(holder, attribute)
    except (AttributeError, NotImplementedError):
        return False
    return True


def _module(name: str) -> Any:
    """The module that a name of PyTorch stands for; None without one."""
    top, _, rest = name.partition(".")
    real = PACKAGES[top] + (f".{rest}" if rest else "")
    try:
        return importlib.import_module(real)
    except (ImportError, NotImplementedError):
        return None


def _reach(name: str) -> Any:
    """What a dotted name of PyTorch is here, an `ellipsis` for a value of None; None without."""
    parts = name.split(".")
    found: Any = importlib.import_module(PACKAGES[parts[0]])
    for number, part in enumerate(parts[1:], start=2):
        if _has_attribute(found, part):
            found = getattr(found, part)
        else:
            found = _module(".".join(parts[:number]))
        if found is None:
            return ... if number == len(parts) and _names_none(name) else None
    return found


def _names_none(name: str) -> bool:
    """Whether a name is there and means None, as `torch.version.cuda` does."""
    owner, _, attribute = name.rpartition(".")
    holder = _reach(owner) if "." in owner else _module(owner)
    return holder is not None and _has_attribute(holder, attribute)


# -- what a program uses ------------------------------------------------------------------------


def names_of(source: str, path: str = "<script>") -> dict[str, list[int]]:
    """The names a program uses, each with its lines. Raises SyntaxError, as compiling would."""
    tree = ast.parse(source, path)
    reader = _Reader()
    for node in ast.walk(tree):
        reader.learn(node)
    if reader.bound and all(n.split(".")[0] == "tensorflow" for n in reader.bound.values()):
        reader.methods = {}  # those of PyTorch's tensors say nothing about such a program
    reader.visit(tree)
    return {name: sorted(set(lines)) for name, lines in reader.used.items()}


def _methods() -> dict[str, str]:
    """Attributes that are counted by their spelling, and the owner each is counted for.

    Those of built-in types (`split`, `index`, `copy`) say nothing, and are left out.
    """
    import plait

    mapping: dict[str, str] = {}
    for owner in reversed(OWNERS):
        for holder in _owner(owner):
            mapping |= {n: owner for n in dir(holder) if not n.startswith("_")}
    mapping |= {n: "Tensor" for n in dir(plait.Tensor) if not n.startswith("_")}
    mapping |= {n: "Tensor" for n in METHODS.read_text("utf-8").split() if n not in mapping}
    for kind in (str, list, dict, set, tuple, bytes, int, float, complex):
        for name in dir(kind):
            mapping.pop(name, None)
    return mapping


class _Reader(ast.NodeVisitor):
    """Collects names: `learn` every import first, then `visit` what uses them."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}  # local name: what it stands for
        self.used: dict[str, list[int]] = {}
        self.methods = _methods()

    def learn(self, node: ast.AST) -> None:
        """Take in the imports of torch and its companions."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in PACKAGES:
                    top = alias.name.split(".")[0]
                    self.bound[alias.asname or top] = alias.name if alias.asname else top
                    if "." in alias.name:
                        self.note(f"[import] {alias.name}", node)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            if node.module.split(".")[0] not in PACKAGES:
                return
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if alias.name == "*":
                    self.bound |= dict(_starred(node.module))
                    self.note(f"[import] {node.module}", node)
                else:
                    self.bound[alias.asname or alias.name] = full
                    self.note(full, node)

    def note(self, name: str, node: ast.AST) -> None:
        """One more use of a name."""
        self.used.setdefault(name, []).append(getattr(node, "lineno", 0))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A chain that begins with an import is a name of PyTorch; another may end in a method."""
        chain = self.chain(node)
        if chain is None:
            if node.attr in self.methods:
                self.note(f"{self.methods[node.attr]}.{node.attr}", node)
            self.generic_visit(node)
            return
        name, methods = _cut(chain)
        self.note(name, node)
        for method in methods:
            if method in self.methods:
                self.note(f"{self.methods[method]}.{method}", node)

    def visit_Name(self, node: ast.Name) -> None:
        """What was imported by itself and is used by itself."""
        full = self.bound.get(node.id)
        if full is not None and "." in full and isinstance(node.ctx, ast.Load):
            self.note(full, node)

    def chain(self, node: ast.expr) -> list[str] | None:
        """The parts of a dotted name that an import began; None for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.bound:
            return None
        return [*self.bound[node.id].split("."), *reversed(parts)]


def _starred(module: str) -> Iterator[tuple[str, str]]:
    """What `from module import *` binds, but for names that hide built-in functions."""
    found = _module(module)
    for name in getattr(found, "__all__", None) or dir(found):
        if not name.startswith("_") and not hasattr(builtins, name):
            yield name, f"{module}.{name}"


def _cut(chain: list[str]) -> tuple[str, list[str]]:
    """A chain as the name of a function or class, and attributes of it (`nn.Linear.forward`)."""
    for number in range(2, len(chain) + 1):
        name = ".".join(chain[:number])
        found = _reach(name)
        if found is None:
            return name, []
        if not isinstance(found, type(sys)) and not isinstance(found, type):
            return name, chain[number:]
    return ".".join(chain), []
