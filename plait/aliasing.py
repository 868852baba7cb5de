"""Let `import torch` mean Plait, in this process and in the workers it starts.

`install_as("torch", "torchvision")` puts a finder at the head of `sys.meta_path`. From then on
`torch.x.y` is *the same module object* as `plait.x.y`: `sys.modules["torch.nn"] is plait.nn`, so
`isinstance`, pickles and patched attributes agree, and the module keeps its own `__name__` and
`__spec__`. An installed PyTorch is not touched; it is only not looked at.

Worker processes. A forked child inherits the finder. A child of the spawn or forkserver method
starts as a fresh interpreter and imports the user's main module *before* it unpickles anything of
the user's, so an entry point under `plait.` would come too late. Hence two things are left for
it: the environment variable PLAIT_ALIASES names the aliases, and the "preparation data" that
`multiprocessing` sends ahead of everything else carries an object whose unpickling runs
`worker_start.py`, which installs them. Pools, `concurrent.futures` and DataLoader workers all
pass through there. Process launchers that do not use `multiprocessing` can call
`install_from_environment()` themselves.

Everything heavy is imported where it is used: `import plait` brings this module in.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

ENVIRONMENT = "PLAIT_ALIASES"
TARGETS = {
    "torch": "plait",
    "torchvision": "plait.vision",
    "torchaudio": "plait.audio",
    "tensorflow": "plait.tf",
}


class AliasLoader:
    """Hands out the module `real` under another name, leaving the module as it was."""

    def __init__(self, real: str) -> None:
        self.real = real
        self._spec_of_real: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self._spec_of_real = module.__spec__
        _alias_hidden_modules(self.real, spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the alias's spec into the module; the module has run
        # already.
        module.__spec__ = self._spec_of_real


def _alias_hidden_modules(real: str, alias: str) -> None:
    """Enter the loaded modules under `real` that their package hides behind another object.

    Such as `models.alexnet`, a function in a module of its name: were the module imported under
    its alias later, the import system would put it in the function's place.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(real + "."):
            package, _, last = name.rpartition(".")
            if getattr(sys.modules.get(package), last, module) is not module:
                sys.modules.setdefault(alias + name[len(real) :], module)


class _AliasFinder:
    """Meta-path finder for the names in `active` and everything under them."""

    def __init__(self) -> None:
        self.active: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top not in self.active:
            return None
        real = f"{self.active[top]}.{rest}" if rest else self.active[top]
        found, is_package, origin = _look_up(real)
        if not found:
            if _asked_by_import_statement():
                raise ModuleNotFoundError(f"{fullname} is not built in Plait yet", name=fullname)
            return None
        loader: Any = AliasLoader(real)  # has the methods of a Loader, not the base
        return importlib.machinery.ModuleSpec(
            fullname, loader, origin=origin, is_package=is_package
        )

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        """For `importlib.metadata`: answers with the version whose interface is followed."""
        # Only for a question about one name: a listing of what is installed stays what the disk
        # says.
        name = context.name if context is not None else None
        if name in self.active:
            from plait.aliasing_metadata import AliasDistribution

            yield AliasDistribution(name)

    def invalidate_caches(self) -> None:
        """Nothing is cached."""


_FINDER = _AliasFinder()


def _look_up(real: str) -> tuple[bool, bool, str | None]:
    """Whether the module `real` exists, whether it is a package, and its file."""
    module = sys.modules.get(real)
    if module is not None:
        return True, hasattr(module, "__path__"), getattr(module, "__file__", None)
    try:
        spec = importlib.util.find_spec(real)
    except ModuleNotFoundError:
        return False, False, None
    if spec is None:
        return False, False, None
    return True, spec.submodule_search_locations is not None, spec.origin


def _asked_by_import_statement() -> bool:
    """True when an import runs, False for `importlib.util.find_spec`, which must answer None.

    The import system calls finders through one function of its own; the caller of that tells the
    two apart.
    """
    try:
        caller = sys._getframe(3)
    except ValueError:
        return False
    return caller.f_code.co_name == "_find_and_load_unlocked"


def install_as(*names: str) -> None:
    """Make `import NAME` mean Plait for each of `names` ("torch", "torchvision", "tensorflow").

    Holds for this process and for the `multiprocessing` workers it starts; calling it again is
    harmless.

    Raises:
        ValueError: a name that Plait has no dialect for.
        RuntimeError: another package of that name has been imported already.
    """
    for name in names:
        if name not in TARGETS:
            known = ", ".join(repr(known) for known in TARGETS)
            raise ValueError(f"plait.install_as: no dialect for {name!r}; there are {known}")
        target = TARGETS[name]
        loaded = sys.modules.get(name)
        if loaded is not None and loaded is not sys.modules.get(target):
            where = getattr(loaded, "__file__", None) or "an unknown place"
            raise RuntimeError(
                f"plait.install_as({name!r}): {name!r} has been imported already, from {where}; "
                "two packages cannot share a name in one process. Call install_as before the "
                f"first `import {name}`, or start the program with `plait run`."
            )
    for name in names:
        _FINDER.active[name] = TARGETS[name]
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    os.environ[ENVIRONMENT] = ",".join(_FINDER.active)
    _hook_multiprocessing()


def install_from_environment() -> None:
    """Install the aliases that a parent process left in PLAIT_ALIASES; nothing when it is unset
    or empty.

    For the entry points of worker processes. Names that this version does not know are an error
    of the parent's making and raise `ValueError` as `install_as` does.
    """
    names = [name for name in os.environ.get(ENVIRONMENT, "").split(",") if name]
    if names:
        install_as(*names)


def installed() -> dict[str, str]:
    """The aliases in force: name -> Plait module."""
    return dict(_FINDER.active)


class _StartWorker:
    """Unpickling this in a fresh process runs `worker_start.py` there.

    It is pickled as a call of the standard library's `runpy.run_path`, so that the child needs to
    find Plait on no path: at that moment it has not yet been given its parent's `sys.path`.
    """

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import runpy

        return runpy.run_path, (os.path.join(os.path.dirname(__file__), "worker_start.py"),)


def _hook_multiprocessing() -> None:
    """Have `multiprocessing` send a `_StartWorker` ahead of the user's objects (spawn and
    forkserver)."""
    from multiprocessing import spawn

    plain = spawn.get_preparation_data
    if getattr(plain, "_starts_plait_workers", False):
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        data = plain(name)
        if name == "ignore":
            # The forkserver itself asks under this name. It must not import the user's main
            # module: it never unpickles preparation data, hence has no aliases. Its children
            # import it, with aliases.
            data.pop("main_path", None)
            data.pop("init_main_from_path", None)
        else:
            data["plait_aliases"] = _StartWorker()
        return data

    get_preparation_data._starts_plait_workers = True  # type: ignore[attr-defined]  # marks our wrapper
    spawn.get_preparation_data = get_preparation_data
