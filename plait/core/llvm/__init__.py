"""LLVM, and the only importer of llvmlite: targets, object code, linking."""
