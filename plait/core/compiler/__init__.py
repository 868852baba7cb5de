"""From a graph to a program: named passes, then lowering to kernels, schedule and memory plan."""
