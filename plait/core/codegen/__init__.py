"""Kernels as LLVM IR text: loop nests, vector math, BRGEMM and what is built of it."""
