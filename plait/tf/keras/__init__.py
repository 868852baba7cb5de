"""`tf.keras`: the real Keras, with Plait as its backend.

Importing this gives the module `keras` itself, and `tf.keras.layers` is `keras.layers`.
"""

import sys

from plait.tf._keras import load

sys.modules[__name__] = load()
