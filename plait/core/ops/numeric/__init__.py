"""The heavier NumPy code behind the records' references, one subject a file."""
