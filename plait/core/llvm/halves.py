"""Conversions between float16 and float32, for machines without instructions for them.

LLVM would call functions of a compiler's runtime library, which a process need not hold. Here each
conversion calls a function of the same module, that works on the bits of a whole vector.
"""

from __future__ import annotations

import re
from string import Template

_CONVERSION = re.compile(
    r"(?P<op>fpext|fptrunc) (?P<source>(?:<\d+ x )?(?:half|float)>?) (?P<value>\S+) "
    r"to (?P<result>(?:<\d+ x )?(?:half|float)>?)(?=\s|$)"
)

#: Three kinds of numbers: below 2^-14, whose bits count 2^-24; infinities and nan; the others, of
#: which only the bias of the exponent changes.
_WIDEN = Template("""
define internal $floats @plait_widen_$lanes($halves %x) nounwind {
  %raw = bitcast $halves %x to $shorts
  %bits = zext $shorts %raw to $words
  %signed = and $words %bits, ${n_8000}
  %sign = shl $words %signed, ${n_10}
  %size = and $words %bits, ${n_7fff}
  %count = sitofp $words %size to $floats
  %tiny.value = fmul $floats %count, $unit
  %tiny = bitcast $floats %tiny.value to $words
  %moved = shl $words %size, ${n_d}
  %normal = add $words %moved, ${n_38000000}
  %endless = or $words %moved, ${n_7f800000}
  %is.tiny = icmp slt $words %size, ${n_400}
  %is.normal = icmp slt $words %size, ${n_7c00}
  %large = select $truths %is.normal, $words %normal, $words %endless
  %chosen = select $truths %is.tiny, $words %tiny, $words %large
  %whole = or $words %chosen, %sign
  %y = bitcast $words %whole to $floats
  ret $floats %y
}
""")

#: To nearest even. Below 2^-14 an addition of 1/2 rounds to multiples of 2^-24; from 65520 on all
#: is infinite.
_NARROW = Template("""
define internal $halves @plait_narrow_$lanes($floats %x) nounwind {
  %bits = bitcast $floats %x to $words
  %high = lshr $words %bits, ${n_10}
  %sign = and $words %high, ${n_8000}
  %size = and $words %bits, ${n_7fffffff}
  %value = bitcast $words %size to $floats
  %raised.value = fadd $floats %value, $half
  %raised = bitcast $floats %raised.value to $words
  %tiny = sub $words %raised, ${n_3f000000}
  %cut = lshr $words %size, ${n_d}
  %odd = and $words %cut, ${n_1}
  %less = sub $words %size, ${n_37fff001}
  %rounded = add $words %less, %odd
  %normal = lshr $words %rounded, ${n_d}
  %payload = and $words %cut, ${n_3ff}
  %nan = or $words %payload, ${n_7e00}
  %is.tiny = icmp slt $words %size, ${n_38800000}
  %is.normal = icmp slt $words %size, ${n_477ff000}
  %is.nan = icmp sgt $words %size, ${n_7f800000}
  %endless = select $truths %is.nan, $words %nan, $words ${n_7c00}
  %large = select $truths %is.normal, $words %normal, $words %endless
  %chosen = select $truths %is.tiny, $words %tiny, $words %large
  %whole = or $words %chosen, %sign
  %short = trunc $words %whole to $shorts
  %y = bitcast $shorts %short to $halves
  ret $halves %y
}
""")


def with_own_conversions(text: str) -> str:
    """The module of IR text, in which conversions to and from float16 call functions of its own."""
    made: dict[str, str] = {}

    def call(found: re.Match[str]) -> str:
        op, source, value, result = found.group("op", "source", "value", "result")
        lanes = int(source[1:].split()[0]) if source[0] == "<" else 1
        name, template = ("widen", _WIDEN) if op == "fpext" else ("narrow", _NARROW)
        made[f"{name}_{lanes}"] = template.substitute(_Words(lanes))
        return f"call {result} @plait_{name}_{lanes}({source} {value})"

    lines = [_CONVERSION.sub(call, line) if "half" in line else line for line in text.split("\n")]
    return "\n".join([*lines, *made.values()])


class _Words(dict[str, str]):
    """What stands in a template, for so many lanes: types, and constants by their digits."""

    def __init__(self, lanes: int) -> None:
        kinds = {"halves": "half", "floats": "float", "shorts": "i16", "words": "i32"}
        self._lanes = lanes
        super().__init__({name: self._vector(kind) for name, kind in kinds.items()})
        self["truths"] = self._vector("i1")
        self["lanes"] = str(lanes)
        self["unit"] = self._spread("float", str(2.0**-24))
        self["half"] = self._spread("float", "0.5")

    def __missing__(self, name: str) -> str:
        return self._spread("i32", str(int(name.removeprefix("n_"), 16)))

    def _vector(self, kind: str) -> str:
        return kind if self._lanes == 1 else f"<{self._lanes} x {kind}>"

    def _spread(self, kind: str, number: str) -> str:
        """A constant in all lanes, without its type."""
        if self._lanes == 1:
            return number
        return f"<{', '.join([f'{kind} {number}'] * self._lanes)}>"
