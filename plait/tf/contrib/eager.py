"""`tf.contrib.eager`."""

from plait.tf._tape import GradientTape
from plait.tf._variable import Variable
from plait.tf.compat._scopes import enable_eager_execution
from plait.tf.data import Iterator
