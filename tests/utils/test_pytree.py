"""Trees of containers: round trips, shapes, mapping over several, errors."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

from plait.utils import _pytree as pytree

Point = namedtuple("Point", ["x", "y"])

TREE = {
    "b": 1,
    "a": [2, (3, None)],
    "n": Point(4, 5),
    "o": OrderedDict(k=6),
    "d": deque([7], maxlen=3),
    "dd": defaultdict(list, k=8),
    "empty": [],
}


def test_round_trip():
    leaves, spec = pytree.tree_flatten(TREE)
    assert leaves == [1, 2, 3, None, 4, 5, 6, 7, 8]
    assert spec.num_leaves == 9
    back = pytree.tree_unflatten(leaves, spec)
    assert back == TREE
    assert type(back["n"]) is Point
    assert back["d"].maxlen == 3
    assert back["dd"].default_factory is list
    assert spec == pytree.tree_structure(TREE)


def test_leaf_alone():
    leaves, spec = pytree.tree_flatten(3)
    assert leaves == [3]
    assert spec.is_leaf()
    assert repr(spec) == "*"
    assert pytree.tree_unflatten([4], spec) == 4


def test_map_over_several():
    assert pytree.tree_map(lambda a, b: a + b, [1, {"k": 2}], [10, {"k": 20}]) == [11, {"k": 22}]
    assert pytree.tree_map(lambda a, b: (a, b), [1, 2], [(1, 2), 3]) == [(1, (1, 2)), (2, 3)]
    assert pytree.tree_map_only(int, lambda x: -x, [1, "a", 2]) == [-1, "a", -2]
    assert pytree.tree_leaves([1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple)) == [1, (2, 3)]
    assert pytree.tree_any(lambda x: x == 3, TREE)
    assert not pytree.tree_all(lambda x: x == 3, TREE)


def test_repr():
    assert repr(pytree.tree_structure([1, (2,)])) == (
        "TreeSpec(list, None, [*,\n  TreeSpec(tuple, None, [*])])"
    )


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([1, 2], [1], "arity mismatch; expected 2, but got 1"),
        ([1], (1,), "type mismatch"),
        ({"a": 1}, {"b": 1}, r"missing key\(s\): {'a'}; extra key\(s\): {'b'}"),
    ],
)
def test_mismatch(first, second, words):
    with pytest.raises(ValueError, match=words):
        pytree.tree_map(lambda a, b: a, first, second)


def test_wrong_count_and_spec():
    with pytest.raises(
        ValueError, match="has length 1 but the spec refers to a pytree that holds 2"
    ):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))
    with pytest.raises(TypeError, match="to be an instance of TreeSpec"):
        pytree.tree_unflatten([1], 3)


def test_registered_class():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda xs, _: Pair(*xs))
    doubled = pytree.tree_map(lambda x: 2 * x, Pair(1, [2]))
    assert (doubled.a, doubled.b) == (2, [4])
    with pytest.raises(ValueError, match="already registered"):
        pytree.register_pytree_node(Pair, lambda p: ([], None), lambda xs, _: None)
