"""The examples that came with TensorFlow 1."""
