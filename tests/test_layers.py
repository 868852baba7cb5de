"""The layers import downwards only, and heavy packages are imported only where they are used.

The table is that of docs/architecture.md: the lowest layer first.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    "plait.version",
    "plait.core.ir",
    "plait.core.ops",
    "plait.core.autodiff",
    "plait.core.batching",
    "plait.core.reference",
    "plait.core.llvm",
    "plait.core.codegen",
    "plait.core.compiler",
    "plait.core.runtime",
    "plait.core.lazy",
    "plait.core.functional",
    "plait",  # the face, and what stands beside it
)
HEAVY = ("llvmlite", "ml_dtypes", "PIL", "matplotlib", "tqdm")
FILES = sorted((ROOT / "plait").rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def layer_of(module: str) -> int | None:
    """The number of a module's layer; None for `plait.core` itself, which holds nothing."""
    if module == "plait.core":
        return None
    for number, name in enumerate(LAYERS):
        if module == name or module.startswith(name + "."):
            return number
    raise AssertionError(f"{module} is in no layer")


def imports(path: Path, *, inside_functions: bool) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of each import that runs; those for type checkers do not."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not inside_functions:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for name in node.names:
                full = f"{module}.{name.name}"
                yield node.lineno, full if full in MODULES else module
        waiting.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_downwards(path: Path) -> None:
    own = layer_of(module_of(path))
    if own is None:
        return
    for line, module in imports(path, inside_functions=True):
        if module != "plait" and not module.startswith("plait."):
            continue
        other = layer_of(module)
        assert other is None or other <= own, (
            f"{path.relative_to(ROOT)}:{line} imports {module}, which is a higher layer"
        )


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    for line, module in imports(path, inside_functions=False):
        assert module.split(".")[0] not in HEAVY, (
            f"{path.relative_to(ROOT)}:{line} imports {module} outside of a function: "
            f"importing Plait must stay light"
        )
    if layer_of(module_of(path)) != LAYERS.index("plait.core.llvm"):
        names = {module.split(".")[0] for _, module in imports(path, inside_functions=True)}
        assert "llvmlite" not in names, f"{path.relative_to(ROOT)}: llvmlite belongs to core/llvm"


def test_importing_plait_imports_nothing_heavy() -> None:
    code = f"import plait, sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
