"""Graph-to-graph differentiation."""
