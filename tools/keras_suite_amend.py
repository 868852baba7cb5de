"""What Keras' own tests need to run on a backend that they do not know by name.

Tests of sparse tensors make them in a branch for each of two backends. Where a branch for JAX makes
`BCOO` arrays, Plait takes the same branch with `jax_sparse` below, which makes Plait's sparse
tensors of the same coordinates. The test of trainers looks the backend's name up in tables of its
own. Nothing that is expected of a result is changed.
"""

from __future__ import annotations

import ast
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

_SPARSE = "jax.experimental.sparse"
_TRAINER_TEST = "keras.src.trainers.trainer_test"
_AMENDED = (
    "keras.src.layers.core.embedding_test",
    "keras.src.layers.merging.merging_test",
    "keras.src.layers.reshaping.flatten_test",
    "keras.src.layers.reshaping.permute_test",
    "keras.src.ops.core_test",
    "keras.src.ops.numpy_test",
    "keras.src.optimizers.optimizer_sparse_test",
    "keras.src.testing.test_case",
    _TRAINER_TEST,
)


def install() -> None:
    """Let those tests be loaded amended, besides what the hook amends."""
    from keras_plait import hook

    hook.install()
    hook._BRANCHES[_TRAINER_TEST] = "from keras_plait.src.trainer import PlaitTrainer as Trainer"
    ours = next(finder for finder in sys.meta_path if isinstance(finder, hook._Finder))
    sys.meta_path.remove(ours)
    sys.meta_path.insert(0, ours)  # before pytest's own finder of tests
    hook._BRANCHES.update((name, "") for name in _AMENDED if name not in hook._BRANCHES)
    of_hook = hook.amended

    def amended(module: str, tree: ast.Module) -> bool:
        if module in _AMENDED:
            _Branches().visit(tree)
            if module != _TRAINER_TEST:
                return True
        return of_hook(module, tree)

    hook.amended = amended


class _Branches(ast.NodeTransformer):
    """Takes JAX' branch where it makes sparse arrays, and knows the name in a table of results."""

    def visit_If(self, node: ast.If) -> Any:
        of_jax = ast.unparse(node.test) == "backend.backend() == 'jax'"
        if of_jax and any(_imports_sparse(part) for part in node.body):
            node.test = ast.copy_location(
                ast.parse("backend.backend() in ('jax', 'plait')", mode="eval").body, node.test
            )
            node.body = [_replaced(part) for part in node.body]
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """`indices` of a sparse tensor, which is a method here."""
        if ast.unparse(node) == "indices_from.indices":
            made = ast.parse("indices_from._indices().numpy().T", mode="eval").body
            return ast.copy_location(made, node)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Indexed slices are of the same class as sparse tensors here."""
        if node.name == "sparseness":
            kind = (
                "if getattr(x, 'is_sparse', False): return 'slices' if x.dense_dim() else 'sparse'"
            )
            node.body.insert(0, ast.parse(kind).body[0])
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> Any:
        """What a trainer's test expects of each backend: of this one as of JAX, whose trainer
        fetches batches likewise."""
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        if {"jax", "tensorflow", "torch"} <= set(keys) and len(keys) == len(node.keys):
            node.keys.append(ast.copy_location(ast.Constant("plait"), node))
            node.values.append(node.values[keys.index("jax")])
        return self.generic_visit(node)


def _imports_sparse(node: ast.stmt) -> bool:
    return (isinstance(node, ast.Import) and any(n.name == _SPARSE for n in node.names)) or (
        isinstance(node, ast.ImportFrom) and node.module == "jax.experimental"
    )


def _replaced(node: ast.stmt) -> ast.stmt:
    """An import of JAX as one of what stands for it."""
    name = "jax_sparse" if _imports_sparse(node) else None
    if isinstance(node, ast.Import) and node.names[0].name == "jax":
        name = "jax"
    if name is None:
        return node
    return ast.copy_location(ast.parse(f"from keras_suite_amend import {name}").body[0], node)


# -- what stands for JAX in those branches ---------------------------------------------------------


def _coo(parts: Any, *, shape: Any) -> Any:
    """`BCOO((data, indices), shape=shape)`: batch axes of data become coordinates."""
    from keras_plait.src.core import convert_to_tensor
    from keras_plait.src.sparse import made_of

    indices = np.asarray(parts[1], np.int64)
    *batch, _, axes = indices.shape
    data = convert_to_tensor(parts[0])
    lines = [indices[..., axis].reshape(-1) for axis in range(axes)]
    if batch:
        number = np.indices(indices.shape[:-1])[: len(batch)]
        lines = [*(line.reshape(-1) for line in number), *lines]
    rows = data.reshape(-1, *data.shape[len(batch) + 1 :])
    return made_of([convert_to_tensor(line) for line in lines], rows, shape)


def _from_dense(x: Any, **layout: Any) -> Any:
    from keras_plait.src.core import convert_to_tensor

    return convert_to_tensor(x).to_sparse()


class _BCOO:
    fromdense = staticmethod(_from_dense)

    def __new__(cls, parts: Any, *, shape: Any) -> Any:
        return _coo(parts, shape=shape)


class _SparseModule:
    BCOO = _BCOO

    @property
    def JAXSparse(self) -> type:  # the name that the tests ask for
        from plait._sparse import SparseTensor

        return SparseTensor


jax_sparse = _SparseModule()
jax = SimpleNamespace(numpy=np)
