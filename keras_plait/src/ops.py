"""The ops in one place, where Keras 3.16 looks for them."""

from keras_plait.src import core, image, linalg, math, nn, numpy
from keras_plait.src.core import *
