"""PyTorch's functions, by family. Each is defined once and serves as function and as method."""
