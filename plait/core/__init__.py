"""The dialect-free core: each layer imports only those under it (see docs/architecture.md)."""
