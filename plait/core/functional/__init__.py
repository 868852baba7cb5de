"""Dialect-free functions on tensors, each a few lines of primitive ops.

Operands arrive with the dtype that the dialect's promotion rules chose; broadcasting is the same in
all dialects and happens here.
"""
