"""TensorFlow's functions, by family. The public modules (`tf`, `tf.math`, ...) name them."""
