"""`tf.random.experimental`: the earlier place of some names."""

from plait.tf._ops.random import Generator, get_global_generator
from plait.tf._ops.random import fold_in as stateless_fold_in
from plait.tf._ops.random import split as stateless_split
