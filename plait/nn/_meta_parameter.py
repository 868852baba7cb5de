"""Parameters on the meta device."""

from __future__ import annotations

from typing import Any

from plait._meta import MetaTensor
from plait.core.ir.op import binds_first
from plait.nn.parameter import Parameter


class MetaParameter(MetaTensor, Parameter):
    """A parameter without values, until `Module.to_empty` or an assigned state takes its place."""

    def __repr__(self, **options: Any) -> str:
        return "Parameter containing:\n" + MetaTensor.__repr__(self, **options)


binds_first.add(MetaParameter)
