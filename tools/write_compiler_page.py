"""Write the dumps in docs/compiler.md anew: run from the root.

The page's first block of Python records the example; each block of text under a line
`<!-- dump: name -->` is then replaced by what the compiler makes of it, for one fixed target.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from plait.core.compiler.body import epilogue_of, row_kernel
from plait.core.compiler.fuse import Cluster, Fusion
from plait.core.compiler.lowering import Lowerer, fuses
from plait.core.compiler.memory import plan_memory
from plait.core.compiler.pipeline import run_passes
from plait.core.compiler.schedule import schedule
from plait.core.ir.graph import Graph
from plait.core.ir.text import to_text
from plait.core.llvm.target import Target
from plait.core.runtime.profile import label

PAGE = Path(__file__).resolve().parent.parent / "docs" / "compiler.md"
#: As on most machines; the page must not depend on the one it is written on.
TARGET = Target("avx2", "x86_64-unknown-linux-gnu", "x86-64", "", 32, 16, False, False, False)
_FIRST_CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_DUMP = re.compile(r"(<!-- dump: (\w+) -->\n```text\n).*?(^```)", re.MULTILINE | re.DOTALL)


def page(text: str) -> str:
    """The text of the page with all dumps made anew."""
    code = _FIRST_CODE.search(text)
    assert code is not None
    names: dict[str, Any] = {"__name__": "page"}
    exec(code.group(1), names)
    found = dumps(names["graph"])
    return _DUMP.sub(lambda m: f"{m.group(1)}{found[m.group(2)]}\n{m.group(3)}", text)


def dumps(graph: Graph) -> dict[str, str]:
    """The dumps by name."""
    final = run_passes(graph)
    alone = Fusion(final, fuses)
    lowerer = Lowerer(final, TARGET)
    lowered = lowerer.run()
    fusion = lowerer.fusion
    contraction, rows = fusion.clusters()
    assert contraction.epilogue is not None
    (anchor,) = set(contraction.places) - set(contraction.epilogue.places)
    epilogue, _, _ = epilogue_of(fusion, anchor, contraction.epilogue, lowerer.escapes)
    kernel, _, _ = row_kernel(fusion, rows, lowerer.escapes)
    return {
        "recorded": to_text(graph),
        "passes": to_text(final),
        "clusters": _clusters(alone),
        "clusters_with_epilogue": _clusters(fusion),
        "epilogue": to_text(epilogue.graph),
        "row_graph": to_text(kernel.graph),
        "launches": "\n".join(map(_launch, lowered.steps)),
        "ir": _last_loop(lowered.steps[-1].kernel.emit("softmax", TARGET).text()),
        "phases": _phases(lowered.steps),
    }


def _clusters(fusion: Fusion) -> str:
    return "\n".join(_cluster(fusion, cluster) for cluster in fusion.clusters())


def _cluster(fusion: Fusion, cluster: Cluster) -> str:
    ops = [fusion.graph.instructions[place].op.name for place in cluster.places]
    if cluster.space is None:
        tail = "" if cluster.epilogue is None else " with an epilogue"
        return f"alone{tail}: {', '.join(ops)}"
    inner = sorted(cluster.inner or ())
    return f"space {cluster.space}, rows along {inner}: {', '.join(ops)}"


def _launch(launch: Any) -> str:
    return (
        f"{launch.kernel.kind:5} {list(launch.outputs)} <- {list(launch.inputs)}\n"
        f"      units {launch.units}, flops {launch.flops}, bytes {launch.bytes}, "
        f"scratch {launch.scratch}"
    )


def _last_loop(text: str) -> str:
    lines = text.splitlines()
    start = max(n for n, line in enumerate(lines) if re.fullmatch(r"L\d+\.body:", line))
    return "\n".join(lines[start:])


def _phases(steps: list[Any]) -> str:
    phases = schedule(steps, {})
    layout = plan_memory(phases, lambda buffer: buffer.kind == "temporary")
    lines = [f"arena of {layout.nbytes} bytes"]
    for number, phase in enumerate(phases):
        for step in phase.steps:
            places = [f"+{layout.offsets[b]}" if b in layout.offsets else b for b in step.outputs]
            lines.append(f"phase {number}: {label(step)} -> {places[0]}")
    return "\n".join(lines)


def main() -> None:
    """Replace the dumps; the text around them stays."""
    new = PAGE.with_suffix(".new")
    new.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    os.replace(new, PAGE)


if __name__ == "__main__":
    main()
