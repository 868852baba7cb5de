"""AutoGraph: Python's control flow on tensors, rewritten into calls that can record it.

`names` tells what a stretch of code binds, `jumps` takes `break`, `continue` and early `return`
out of it, `rewrite` makes functions of branches and bodies, `convert` does all that to a function,
and `operators` is what the rewritten code calls: Python's own behaviour for Python's values, and
`recording` for tensors of a call that is being captured.
"""
