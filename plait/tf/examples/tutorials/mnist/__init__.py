"""The MNIST digits as old programs read them."""

from plait.tf.examples.tutorials.mnist import input_data
