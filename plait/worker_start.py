"""First thing that a `multiprocessing` child of an aliased process runs (see `plait.aliasing`).

It is run as a file, by `runpy.run_path`, before the child has its parent's `sys.path`; so it sees
to it that the `plait` package beside it can be imported, and installs the aliases that the
environment names.
"""

import sys
from pathlib import Path


def start() -> None:
    """Install the parent's aliases in this process."""
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    from plait.aliasing import install_from_environment

    install_from_environment()


if __name__ == "<run_path>":
    start()
