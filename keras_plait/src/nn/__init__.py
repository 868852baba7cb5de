"""The functions of `keras.ops` for neural networks."""

from keras_plait.src.nn.activations import *
from keras_plait.src.nn.attention import dot_product_attention
from keras_plait.src.nn.convolution import (
    conv,
    conv_transpose,
    depth_to_space,
    depthwise_conv,
    fold,
    separable_conv,
    space_to_depth,
    unfold,
)
from keras_plait.src.nn.ctc import ctc_decode, ctc_loss
from keras_plait.src.nn.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    multi_hot,
    one_hot,
    psnr,
    sparse_categorical_crossentropy,
)
from keras_plait.src.nn.normalization import batch_normalization, moments
from keras_plait.src.nn.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
)
