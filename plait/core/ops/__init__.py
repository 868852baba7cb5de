"""The operations: one record each, by family (`catalog` imports them all)."""
