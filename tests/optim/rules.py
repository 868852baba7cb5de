"""The optimizers under test with their options, and the run that parity and stored values share."""

import numpy as np

CASES = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd-momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd-nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "sgd-dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "adam": ("Adam", {}),
    "adam-amsgrad": ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    "adam-maximize": ("Adam", {"maximize": True, "betas": (0.3, 0.6)}),
    "adamw": ("AdamW", {}),
    "adamw-amsgrad": ("AdamW", {"amsgrad": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop-centered": ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    "adadelta": ("Adadelta", {}),
    "adadelta-decay": ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "nadam-decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": ("RAdam", {}),
    "radam-decay": ("RAdam", {"weight_decay": 0.1}),
    "rprop": ("Rprop", {}),
    "asgd": ("ASGD", {"t0": 10, "weight_decay": 0.1}),
    "adafactor": ("Adafactor", {}),
    "adafactor-decay": ("Adafactor", {"lr": 0.3, "weight_decay": 0.1, "maximize": True, "d": 1.5}),
    "adafactor-floors": ("Adafactor", {"eps": (1e-4, 1e-2), "beta2_decay": -0.5}),
}

SHAPES = ((3, 2), ())


def trained(framework, name, options, dtype, steps=50):
    """(parameters, optimizer) after steps along gradients that are the same for every framework."""
    rng = np.random.default_rng(7)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    params = [framework.tensor(start.tolist(), dtype=getattr(framework, dtype)) for start in starts]
    for param in params:
        param.requires_grad_()
    optimizer = getattr(framework.optim, name)(params, **options)
    for _ in range(steps):
        for param, shape in zip(params, SHAPES):
            grad = np.asarray(rng.standard_normal(shape), dtype)
            param.grad = framework.tensor(grad.tolist(), dtype=getattr(framework, dtype))
        optimizer.step()
    return params, optimizer
