"""Trees of containers: flatten nested dicts, lists, tuples into leaves and build them again.

Takes any nesting of dict, OrderedDict, defaultdict, list, tuple, namedtuple, deque and of classes
registered with `register_pytree_node`. Gives the leaves in order and a `TreeSpec`, the shape of the
tree. `None` is a leaf, as in PyTorch. Dicts keep their own order.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

__all__ = [
    "LeafSpec",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

IsLeaf = Callable[[Any], bool] | None


class _NodeRule(NamedTuple):
    """How one container type comes apart and is put together again."""

    flatten: Callable[[Any], tuple[list, Any]]
    unflatten: Callable[[Iterable, Any], Any]


# namedtuple stands for every namedtuple class: the class itself is the node's context.
_NAMEDTUPLE = "namedtuple"

_RULES: dict[Any, _NodeRule] = {
    list: _NodeRule(lambda x: (list(x), None), lambda leaves, _: list(leaves)),
    tuple: _NodeRule(lambda x: (list(x), None), lambda leaves, _: tuple(leaves)),
    dict: _NodeRule(
        lambda x: (list(x.values()), list(x)),
        lambda leaves, keys: dict(zip(keys, leaves)),
    ),
    OrderedDict: _NodeRule(
        lambda x: (list(x.values()), list(x)),
        lambda leaves, keys: OrderedDict(zip(keys, leaves)),
    ),
    defaultdict: _NodeRule(
        lambda x: (list(x.values()), [x.default_factory, list(x)]),
        lambda leaves, context: defaultdict(context[0], zip(context[1], leaves)),
    ),
    deque: _NodeRule(
        lambda x: (list(x), x.maxlen),
        lambda leaves, maxlen: deque(leaves, maxlen=maxlen),
    ),
    _NAMEDTUPLE: _NodeRule(lambda x: (list(x), type(x)), lambda leaves, cls: cls(*leaves)),
}
_MAPPINGS = (dict, OrderedDict, defaultdict)


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list, Any]],
    unflatten_fn: Callable[[Iterable, Any], Any],
    **_serialization: Any,
) -> None:
    """Make `cls` a container: `flatten_fn(x) -> (children, context)`, and its inverse.

    PyTorch's further keywords (names for serialised trees) are accepted and have no effect here.
    Raises ValueError if `cls` is a container already.
    """
    if cls in _RULES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _RULES[cls] = _NodeRule(flatten_fn, unflatten_fn)


@dataclass
class TreeSpec:
    """The shape of a tree: container `type`, its `context` (keys, class), and its children."""

    type: Any
    context: Any
    children_specs: list["TreeSpec"]
    num_nodes: int = field(init=False, compare=False)
    num_leaves: int = field(init=False, compare=False)
    num_children: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.num_children = len(self.children_specs)
        self.num_nodes = 1 + sum(child.num_nodes for child in self.children_specs)
        self.num_leaves = sum(child.num_leaves for child in self.children_specs)

    def is_leaf(self) -> bool:
        """Whether this is the shape of a single leaf."""
        return False

    def __repr__(self, indent: int = 0) -> str:
        name = self.type if isinstance(self.type, str) else self.type.__name__
        inner = indent + 2
        children = (",\n" + " " * inner).join(c.__repr__(inner) for c in self.children_specs)
        return f"TreeSpec({name}, {self.context}, [{children}])"

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Build the tree with `leaves`; ValueError if their number is not `num_leaves`."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec "
                f"refers to a pytree that holds {self.num_leaves} items ({self})."
            )
        return _build(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Sub-trees of `tree` at the places where this shape has leaves.

        Raises ValueError where `tree` has another container type, number of children or keys.
        """
        subtrees: list[Any] = []
        _collect_up_to(self, tree, subtrees)
        return subtrees


class LeafSpec(TreeSpec):
    """The shape of a single leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def __post_init__(self) -> None:
        self.num_nodes, self.num_leaves, self.num_children = 1, 1, 0

    def is_leaf(self) -> bool:
        """Whether this is the shape of a single leaf: yes."""
        return True

    def __repr__(self, indent: int = 0) -> str:
        return "*"


_LEAF = LeafSpec()


def _is_namedtuple(tree: Any) -> bool:
    return isinstance(tree, tuple) and isinstance(getattr(tree, "_fields", None), tuple)


def _node_type(tree: Any) -> Any:
    """The key of `_RULES` for this object, or None for a leaf."""
    cls = type(tree)
    if cls in _RULES:
        return cls
    return _NAMEDTUPLE if _is_namedtuple(tree) else None


def _flatten_into(tree: Any, leaves: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    kind = None if is_leaf is not None and is_leaf(tree) else _node_type(tree)
    if kind is None:
        leaves.append(tree)
        return _LEAF
    children, context = _RULES[kind].flatten(tree)
    return TreeSpec(kind, context, [_flatten_into(child, leaves, is_leaf) for child in children])


def _build(spec: TreeSpec, leaves: Any) -> Any:
    if spec.is_leaf():
        return next(leaves)
    children = [_build(child, leaves) for child in spec.children_specs]
    return _RULES[spec.type].unflatten(children, spec.context)


def _mapping_keys(spec: TreeSpec) -> list[Any]:
    return spec.context[1] if spec.type is defaultdict else spec.context


def _children_like(spec: TreeSpec, tree: Any) -> list[Any]:
    """Children of `tree` in the order of `spec`'s; checks that both are alike at this node."""
    kind = _node_type(tree)
    if spec.type in _MAPPINGS and kind in _MAPPINGS:
        keys = _mapping_keys(spec)
        if set(keys) != set(tree):
            missing, extra = set(keys) - set(tree), set(tree) - set(keys)
            message = f"; missing key(s): {missing}" if missing else ""
            message += f"; extra key(s): {extra}" if extra else ""
            raise ValueError(f"Node keys mismatch{message}.")
        return [tree[key] for key in keys]
    if kind != spec.type:
        raise ValueError(f"Node type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    children, context = _RULES[kind].flatten(tree)
    if len(children) != spec.num_children:
        raise ValueError(
            f"Node arity mismatch; expected {spec.num_children}, but got {len(children)}."
        )
    if kind is not deque and context != spec.context:
        raise ValueError(
            f"Node context mismatch for node type {kind!r}; "
            f"expected {spec.context!r}, but got {context!r}."
        )
    return children


def _collect_up_to(spec: TreeSpec, tree: Any, subtrees: list[Any]) -> None:
    if spec.is_leaf():
        subtrees.append(tree)
        return
    for child_spec, child in zip(spec.children_specs, _children_like(spec, tree)):
        _collect_up_to(child_spec, child, subtrees)


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of `tree` in order, and its shape. `is_leaf(x)` may stop the descent at `x`."""
    leaves: list[Any] = []
    spec = _flatten_into(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The inverse of `tree_flatten`; ValueError unless there are `num_leaves` leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"Expected `treespec` to be an instance of TreeSpec but got item of type "
            f"{type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """Iterate over the leaves."""
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The shape of the tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """A tree of the same shape with `func(leaf, *leaves of rests)` at each leaf.

    Each of `rests` must have `tree`'s shape down to its leaves; below it may go on.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves] + [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(map(func, *columns))


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Call `func` as `tree_map` does, for its effect only; gives `tree` itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _is_instance(types: Any, leaf: Any) -> bool:
    return isinstance(leaf, types)


def tree_map_only(types: Any, func: Callable, tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`tree_map` on leaves that are of `types` (a type, a tuple) or satisfy that predicate."""
    if isinstance(types, type | tuple):
        wanted = partial(_is_instance, types)
    else:
        wanted = types
    return tree_map(lambda leaf: func(leaf) if wanted(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_all(predicate: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `predicate` holds at every leaf."""
    return all(map(predicate, tree_iter(tree, is_leaf)))


def tree_any(predicate: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `predicate` holds at some leaf."""
    return any(map(predicate, tree_iter(tree, is_leaf)))
