"""`plait run script.py args`: what `python script.py args` does, with torch,
torchvision, torchaudio and tensorflow meaning Plait.

The script runs as the module `__main__` of this process, and stays it until the interpreter ends,
so that pickles, `atexit` functions and `multiprocessing` find it. Its exceptions are reported
without the frames of this file.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType, TracebackType

from plait.aliasing import TARGETS, install_as

EXIT_CANNOT_OPEN = 2  # as python itself does for a script it cannot read


def run_script(path: str, arguments: Sequence[str]) -> int:
    """Run the script at `path` with `sys.argv == [path, *arguments]`; 0 when it ends by itself.

    `SystemExit` and every other exception of the script pass through; the latter are reported
    here first, through `sys.excepthook`, with a traceback that begins in the script.
    """
    full_path = os.path.abspath(path)
    try:
        with io.open_code(full_path) as file:
            source = file.read()
    except OSError as error:
        print(
            f"plait run: can't open file {full_path!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        return EXIT_CANNOT_OPEN

    install_as(*TARGETS)
    sys.argv = [path, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(full_path))
    main_module = _become_main(full_path)
    try:
        code = compile(source, full_path, "exec", dont_inherit=True)
        _execute(code, main_module)
    except SystemExit:
        raise
    except BaseException as error:
        _report(error)
        raise
    return 0


def _become_main(full_path: str) -> ModuleType:
    """A fresh module in the place of `__main__`, with the attributes python gives to a script."""
    module = ModuleType("__main__")
    module.__file__ = full_path
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", full_path)
    module.__dict__["__cached__"] = None
    module.__dict__["__builtins__"] = __builtins__
    # The command's own main module lives on: its functions are on the stack and need their globals.
    module.__dict__["__plait_main__"] = sys.modules["__main__"]
    sys.modules["__main__"] = module
    return module


def _execute(code: CodeType, module: ModuleType) -> None:
    exec(code, module.__dict__)


def _report(error: BaseException) -> None:
    """Show the exception as python would, then keep the interpreter from showing it again on its
    way out.

    Letting it travel on keeps the exit status (and, for Ctrl-C, death by SIGINT) in the
    interpreter's hands.
    """
    error.__traceback__ = _without_own_frames(error.__traceback__)
    sys.excepthook(type(error), error, error.__traceback__)
    sys.excepthook = _already_shown


def _without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


def _already_shown(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Excepthook after the script's exception has been reported."""
