"""The graph IR: dtypes, nodes, op records, canonical graphs, their text form and verifier."""
