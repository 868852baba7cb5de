"""Batching rules: what an op does to operands that have one more axis in front."""
