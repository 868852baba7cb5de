"""Optimizers: rules that change parameters by their gradients, and schedules of learning rates."""

from plait.optim import lr_scheduler, swa_utils
from plait.optim.adadelta import Adadelta
from plait.optim.adafactor import Adafactor
from plait.optim.adagrad import Adagrad
from plait.optim.adam import Adam
from plait.optim.adamax import Adamax
from plait.optim.adamw import AdamW
from plait.optim.asgd import ASGD
from plait.optim.lbfgs import LBFGS
from plait.optim.muon import Muon
from plait.optim.nadam import NAdam
from plait.optim.optimizer import Optimizer
from plait.optim.radam import RAdam
from plait.optim.rmsprop import RMSprop
from plait.optim.rprop import Rprop
from plait.optim.sgd import SGD
from plait.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]
