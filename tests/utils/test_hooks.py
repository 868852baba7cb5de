"""Handles of hooks: removal, with-blocks, weak references, pickles."""

import pickle
from collections import OrderedDict

from plait.utils.hooks import RemovableHandle


def test_remove_takes_the_hook_and_its_extras():
    hooks, extra = OrderedDict(), OrderedDict()
    handle = RemovableHandle(hooks, extra_dict=extra)
    hooks[handle.id] = print
    extra[handle.id] = True
    other = RemovableHandle(hooks, extra_dict=[extra])
    hooks[other.id] = repr
    handle.remove()
    handle.remove()
    assert list(hooks) == [other.id]
    assert not extra


def test_with_block():
    hooks = OrderedDict()
    with RemovableHandle(hooks) as handle:
        hooks[handle.id] = print
    assert not hooks


def test_does_not_keep_the_dictionary():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    del hooks
    assert handle.hooks_dict_ref() is None
    handle.remove()


def test_pickle():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = print
    twin, twin_hooks = pickle.loads(pickle.dumps((handle, hooks)))
    assert twin.id == handle.id
    twin.remove()
    assert not twin_hooks
    assert RemovableHandle(hooks).id > handle.id
