"""Which of the names that programs need have what they give in PyTorch on file.

The names are those of `tools/torch_names.tsv` that 95 % of the core programs, or of all files,
need, as far as Plait has them.
"""

from __future__ import annotations

import functools
from pathlib import Path

from plait.cli.coverage import has
from tests.nn.module_cases import LAYERS, LOSSES
from tests.parity.compare import expectations
from tests.parity.programs import names

TABLE = Path(__file__).parent.parent.parent / "tools" / "torch_names.tsv"
TIERS = {"80", "95"}

#: Owners of functions, as the names of operators spell them.
_FUNCTIONS = ("torch.nn.functional", "torch.linalg", "torch.fft", "torch.special", "torch")


def needed() -> list[str]:
    """The names, in the table's order."""
    names = []
    for line in TABLE.read_text("utf-8").splitlines()[1:]:
        _, name, _, _, _, _, core, every, _ = line.split("\t")
        if TIERS & {core, every} and has(name):
            names.append(name)
    return names


@functools.cache
def _forms() -> dict[str, set[str]]:
    """The forms of calls on file by the operator's name."""
    found: dict[str, set[str]] = {}
    for entry in expectations.pack("opinfo").entries.values():
        found.setdefault(entry["name"], set()).update(entry["forms"])
    return found


def is_operator(name: str) -> bool:
    """Whether a name is a function, method or in-place method of an operator that is on file."""
    owner, _, last = name.rpartition(".")
    if owner.startswith("Tensor"):
        form = "method"
        if last.endswith("_") and not last.endswith("__"):
            last, form = last[:-1], "in place"
        return form in _forms().get(last, ())
    for package in _FUNCTIONS:
        if owner == package:
            return "function" in _forms().get(name.removeprefix("torch."), ())
    return False


def is_module(name: str) -> bool:
    """Whether a name is a layer or a loss that is on file."""
    owner, _, last = name.rpartition(".")
    known = {case.name for case in (*LAYERS, *LOSSES)}
    return last in known and owner.startswith("torch.nn")


def is_in_a_program(name: str) -> bool:
    """Whether one of the programs uses a name; of `A|B.method`, that of one of the two."""
    owner, _, last = name.replace("?", "").rpartition(".")
    return any(f"{part}.{last}" in _used() for part in owner.split("|"))


@functools.cache
def _used() -> set[str]:
    found = names()
    # Modules' methods and tensors' of one spelling: the reader counts them for tensors.
    spelled = {name.removeprefix("Tensor.") for name in found if name.startswith("Tensor.")}
    modules = found | {f"nn.Module.{name}" for name in spelled}
    return modules | {name.removeprefix("nn.") for name in modules}


_PROCESSES = "other processes: tests/data, tests/utils"
_DEVICE = "a device that is not there: tests/face/test_namespaces.py"
_ANNOTATION = "an annotation, with no value of its own"

#: Names without a record, by what they begin with, and why.
EXCEPTIONS = {
    "[import] ": "imports: tests/cli/test_aliasing.py",
    "torch.__version__": "the versions differ",
    "torch.hub.": "fetches files: tests/io",
    "torch.jit.load": "reads archives: tests/io/test_torchscript.py",
    "torch.utils.tensorboard": "writes files: tests/utils/test_tensorboard.py",
    "torch.profiler.": "times and traces: tests/runtime/test_profile.py",
    "torch.serialization.": "what may be unpickled: tests/io",
    "torch.compile": "PyTorch's needs a C++ compiler: tests/compile",
    "torch._dynamo.": "PyTorch's compiler",
    "nn.Module.compile": "PyTorch's needs a C++ compiler: tests/compile",
    "torch._C.": "PyTorch's own bookkeeping",
    "torch.distributed.": _PROCESSES,
    "torch.futures.": _PROCESSES,
    "torch.multiprocessing.": _PROCESSES,
    "nn.Module.share_memory": _PROCESSES,
    "torch.nn.parallel.data_parallel": _DEVICE,
    "torch.cuda.": _DEVICE,
    "torch.accelerator.": _DEVICE,
    "torch.backends.cuda.sdp_kernel": _DEVICE,
    "torch.set_num_threads": "the process's threads: tests/runtime/test_threads.py",
    "torch.ByteStorage": "memory by bytes: tests/io",
    "torch.jit.Final": _ANNOTATION,
    "torch.jit.annotations.": _ANNOTATION,
    "torch.jit._": "decorators that PyTorch keeps to itself",
    "torch.fx.wrap": "marks a function for a tracer that is not built",
    "torch.optim.optimizer.": "a module that PyTorch has for imports only",
    "Tensor.__matmul__": "the operator @ of programs/tensors.py",
    "Tensor?.values": "spelled like a dict's: that of sparse tensors is in programs/tensors.py",
    "torch.nn.attention.SDPBackend": "an enumeration: compared with `sdpa_kernel`",
}


def exception(name: str) -> str | None:
    """Why a name has no record; None if it must have one."""
    return next((why for start, why in EXCEPTIONS.items() if name.startswith(start)), None)
