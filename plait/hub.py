"""`torch.hub` without a network: repositories in local folders, weights already in the cache.

The cache is `$TORCH_HOME/hub` (default `$XDG_CACHE_HOME/torch/hub`), as in PyTorch. Nothing is
downloaded.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from typing import Any, NoReturn
from urllib.parse import urlparse

from plait.core.ir.errors import error
from plait.io import load as _load_file

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

#: A file name with the first digits of its SHA-256: `resnet18-f37072fd.pth`.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")


class _State:
    directory: str | None = None


def get_dir() -> str:
    """The folder of the cache."""
    if _State.directory is not None:
        return _State.directory
    return os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    """The folder of all that is kept: TORCH_HOME, or `torch` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set the folder of the cache."""
    _State.directory = os.path.expanduser(os.fspath(d))


def load(repo_or_dir: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """Call the entry point `model` of the hubconf.py in a folder (`source="local"`).

    Raises ValueError for an unknown source, RuntimeError for a remote one or a missing entry point.
    """
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def list(github: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """The names of the entry points of a folder (`source="local"`)."""
    module = _hubconf(github, source)
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(github: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """The docstring of an entry point."""
    return _entry(_hubconf(github, source), model).__doc__


def _entry(module: Any, name: str) -> Any:
    if not isinstance(name, str):
        raise error(ValueError, "Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if found is None or not callable(found):
        raise error(RuntimeError, f"Cannot find callable {name} in hubconf")
    return found


def _hubconf(folder: str, source: str) -> Any:
    if source not in ("github", "local"):
        raise error(
            ValueError,
            f'Unknown source: "{source}". Allowed values: "github" | "local".',
        )
    if source == "github":
        raise error(
            RuntimeError,
            f"torch.hub: {folder} would have to be downloaded, which Plait does not do. Hint: "
            'clone it and pass its folder with source="local"',
        )
    folder = os.path.expanduser(folder)
    path = os.path.join(folder, "hubconf.py")
    if not os.path.isfile(path):
        raise error(FileNotFoundError, f"torch.hub: there is no {path}")
    spec = importlib.util.spec_from_file_location("hubconf", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    wanted = getattr(module, "dependencies", [])
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise error(RuntimeError, f"Missing dependencies: {', '.join(missing)} (of {path})")
    return module


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Load the weights of a URL from the cache (`model_dir`, default `get_dir()/checkpoints`).

    A file that is there is taken as it is, as PyTorch does: `check_hash` is for downloads. Raises
    RuntimeError where it is not there.
    """
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.isfile(path):
        raise error(
            RuntimeError,
            f"torch.hub: {url} would have to be downloaded, which Plait does not do. Hint: put the "
            f"file at {path}",
        )
    return _load_file(path, map_location=map_location, weights_only=weights_only)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> NoReturn:
    """Raises RuntimeError: nothing is downloaded."""
    raise error(RuntimeError, f"torch.hub: Plait does not download; put {url} at {dst} yourself")
