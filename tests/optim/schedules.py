"""Every schedule as it is made, and the run of rates and momenta that is compared."""

STEPS = 50

SGD = {"lr": 0.05, "momentum": 0.9}
ADAM = {"lr": 0.05, "betas": (0.9, 0.99)}

CASES = {
    "lambda": lambda m, o: m.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (e + 1)]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda e: 0.97),
    "step": lambda m, o: m.StepLR(o, 7, 0.5),
    "multistep": lambda m, o: m.MultiStepLR(o, [30, 10, 10], 0.3),
    "constant": lambda m, o: m.ConstantLR(o, 0.25, 6),
    "linear": lambda m, o: m.LinearLR(o, 0.2, 0.9, 12),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.93),
    "polynomial": lambda m, o: m.PolynomialLR(o, 40, 1.7),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 8, 0.001),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 2, 0.002),
    "cyclic": lambda m, o: m.CyclicLR(o, [0.01, 0.02], 0.2, 4, 9),
    "cyclic2": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 4, mode="triangular2"),
    "cyclic_exp": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.97),
    "cyclic_own": lambda m, o: m.CyclicLR(
        o, 0.01, 0.2, 4, scale_fn=lambda x: 1 / x, scale_mode="cycle", cycle_momentum=False
    ),
    "onecycle": lambda m, o: m.OneCycleLR(o, [0.2, 0.4], total_steps=STEPS + 1),
    "onecycle3": lambda m, o: m.OneCycleLR(
        o, 0.2, epochs=10, steps_per_epoch=6, three_phase=True, anneal_strategy="linear"
    ),
    "sequential": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.1, total_iters=5), m.StepLR(o, 6, 0.7), m.ExponentialLR(o, 0.9)],
        [5, 30],
    ),
    "chained": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.95)], o
    ),
}


def facts(optimizer):
    keys = ("lr", "momentum", "betas")
    return [{key: group[key] for key in keys if key in group} for group in optimizer.param_groups]


def run(scheduler, optimizer, steps=STEPS):
    out = []
    for _ in range(steps):
        out.append((facts(optimizer), scheduler.get_last_lr()))
        optimizer.step()
        scheduler.step()
    return out
