"""Handles that take a registered hook away again.

Takes the dictionary a hook was put in; gives a `RemovableHandle` whose `id` is the hook's key
there.
"""

import itertools
import weakref
from collections import OrderedDict
from typing import Any

from plait.core.lazy.capture import watch

__all__ = ["RemovableHandle", "unserializable_hook"]


class RemovableHandle:
    """The right to remove one hook from the dictionary it was registered in.

    The dictionary (an `OrderedDict`, which can be weakly referenced) is not kept alive by the
    handle: a handle that outlives its module does nothing. Used as a context manager, it removes
    the hook on exit. `extra_dict` names one dictionary, or a list of them, that hold facts about
    the same hook under the same key; they lose that key together with the hook.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        watch.structure += 1  # compiled functions look again at what they depend on
        self.hooks_dict_ref: Any = weakref.ref(hooks_dict)
        extras = [] if extra_dict is None else extra_dict
        if isinstance(extras, dict):
            extras = [extras]
        self.extra_dict_ref: tuple = tuple(weakref.ref(extra) for extra in extras)

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        watch.structure += 1
        for reference in itertools.chain((self.hooks_dict_ref,), self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.remove()

    def __getstate__(self) -> tuple:
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id, *rest = state
        # Without a dictionary the reference is to one that dies at once: a dead handle.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        extras = rest[0] if rest and rest[0] is not None else ()
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


def unserializable_hook(hook: Any) -> Any:
    """Mark `hook` as one that need not be saved with its tensor, so that saving does not warn."""
    hook.__torch_unserializable__ = True
    return hook
