"""Arguments of the `plait` command, and which function answers each.

plait run script.py [args]      run a PyTorch program on Plait
plait explain script.py [args]  the same, and then what was compiled and how fast it ran
plait coverage script.py        the names of torch it uses, and which Plait lacks
plait doctor                    what Plait finds on this machine
plait --version
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from plait.version import TORCH_INTERFACE, __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: `sys.argv[1:]`) and return the exit status.

    `plait run` and `plait explain` do not return where the script ends in an exception or
    `SystemExit`: these pass through.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    arguments, script_arguments = _split_at_script(arguments)
    options = _parser().parse_args(arguments)
    if options.command == "run":
        from plait.cli.run import run_script

        return run_script(options.script, script_arguments)
    if options.command == "explain":
        from plait.cli.explain import explain_script

        return explain_script(options.script, script_arguments)
    if options.command == "coverage":
        from plait.cli.coverage import coverage_of_script

        return coverage_of_script(options.script)
    if options.command == "doctor":
        from plait.cli.doctor import report

        print(report())
        return 0
    _parser().print_help()
    return 2


def _split_at_script(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Cut `run script.py ...`, or `explain`, after the script: what follows is the script's,
    whatever it looks like."""
    if not arguments or arguments[0] not in ("run", "explain"):
        return arguments, []
    for position, argument in enumerate(arguments[1:], start=1):
        if not argument.startswith("-"):
            return arguments[: position + 1], arguments[position + 1 :]
    return arguments, []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plait", description="Plait, a deep-learning framework in Python."
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"plait {__version__} (interface of PyTorch {TORCH_INTERFACE})",
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    run = commands.add_parser(
        "run",
        usage="plait run [-h] script.py [args ...]",
        help="run a Python script in which torch, its companions and tensorflow mean Plait",
        description="Run a Python script as `python script.py` would, with `import torch`, "
        "`torchvision`, `torchaudio` and `tensorflow` meaning Plait, there and in its worker "
        "processes. "
        "Installed packages of these names stay untouched.",
    )
    run.add_argument("script", help="the script; everything after it is passed to it")
    explain = commands.add_parser(
        "explain",
        usage="plait explain [-h] script.py [args ...]",
        help="run a script compiled, then say what was compiled and how fast it ran",
        description="Run a script as `plait run` does, with all of it compiled, and then print "
        "each program (what the passes made of its graph, its kernels, its memory) and the time of "
        "each kernel next to what the machine could do.",
    )
    explain.add_argument("script", help="the script; everything after it is passed to it")
    coverage = commands.add_parser(
        "coverage",
        help="list the names of torch and its companions that a script uses, and which are missing",
        description="Parse a script, without running it, and list the names of torch, torchvision "
        "and torchaudio that it uses. The exit status is 1 where Plait lacks one. What an "
        "attribute belongs to is told by its spelling.",
    )
    coverage.add_argument("script", help="the script")
    commands.add_parser("doctor", help="say what Plait finds on this machine")
    return parser
