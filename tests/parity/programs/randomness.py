"""Programs that draw numbers: the same numbers come of the same seed."""

from __future__ import annotations

from typing import Any


def draws(torch: Any) -> Any:
    torch.manual_seed(5)
    found = [torch.rand(3), torch.randperm(7), torch.randint(0, 9, (4,)), torch.rand(2, 2)]
    torch.random.manual_seed(6)
    x = torch.zeros(4)
    found += [x.uniform_(-1, 1).clone(), x.random_(0, 10).clone(), x.normal_(1.0, 2.0).clone()]
    torch.cuda.manual_seed(3)
    torch.cuda.manual_seed_all(3)
    return [*found, torch.randn(20), torch.bernoulli(torch.full((6,), 0.5))]


def states(torch: Any) -> Any:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = torch.rand(3)
    torch.set_rng_state(state)
    own = torch.Generator()
    own.manual_seed(11)
    return [first, torch.rand(3), torch.rand(2, generator=own), own.initial_seed(), state.shape]


def initialisers(torch: Any) -> Any:
    torch.manual_seed(2)
    init = torch.nn.init
    x, cube = torch.empty(4, 6), torch.empty(2, 3, 3)
    found = []
    for fill in (
        lambda: torch.nn.init.normal_(x, 1, 2),
        lambda: torch.nn.init.uniform_(x, -2, 2),
        lambda: torch.nn.init.constant_(x, 0.5),
        lambda: torch.nn.init.ones_(x),
        lambda: torch.nn.init.zeros_(x),
        lambda: torch.nn.init.xavier_uniform_(x),
        lambda: torch.nn.init.xavier_normal_(x, gain=2.0),
        lambda: torch.nn.init.kaiming_uniform_(x, a=0.1),
        lambda: torch.nn.init.kaiming_normal_(x, mode="fan_out", nonlinearity="relu"),
        lambda: torch.nn.init.trunc_normal_(x, std=2.0),
        lambda: torch.nn.init.dirac_(cube),
        lambda: torch.nn.init.eye_(x),
    ):
        found.append(fill().clone())
    square = torch.nn.init.orthogonal_(torch.empty(3, 5))
    gains = [init.calculate_gain(n) for n in ("relu", "tanh", "linear", "selu")]
    return [
        found,
        square @ square.T,
        gains,
        torch.nn.init.calculate_gain("leaky_relu", 0.2),
        torch.nn.init._calculate_fan_in_and_fan_out(cube),
    ]


def deprecated_initialisers(torch: Any) -> Any:
    torch.manual_seed(2)
    x = torch.empty(3, 2)
    return [
        torch.nn.init.normal(x).clone(),
        torch.nn.init.constant(x, 2.0).clone(),
        torch.nn.init.kaiming_normal(x).clone(),
    ]


def distributions(torch: Any) -> Any:
    probs = torch.tensor([0.1, 0.6, 0.3])
    categorical = torch.distributions.Categorical(probs)
    beta = torch.distributions.Beta(torch.tensor([2.0, 0.5]), torch.tensor([1.0, 3.0]))
    torch.manual_seed(9)
    alpha = torch._sample_dirichlet(torch.tensor([1.0, 2.0, 3.0]))
    return [
        categorical.log_prob(torch.tensor([0, 2])),
        categorical.entropy(),
        categorical.sample((5,)).shape,
        beta.log_prob(torch.tensor([0.3, 0.6])),
        beta.mean,
        beta.entropy(),
        alpha.shape,
        (alpha.sum() - 1).abs() < 1e-6,
    ]


def data_order(torch: Any) -> Any:
    torch.manual_seed(4)
    data = torch.utils.data
    numbers = torch.utils.data.TensorDataset(torch.arange(10), torch.arange(10) * 2)
    loader = torch.utils.data.DataLoader(numbers, batch_size=4, shuffle=True)
    parts = torch.utils.data.random_split(range(10), [7, 3])
    return [
        list(loader),
        [list(part) for part in parts],
        list(torch.utils.data.RandomSampler(range(6))),
        list(torch.utils.data.SequentialSampler(range(4))),
        list(torch.utils.data.BatchSampler(data.SequentialSampler(range(5)), 2, False)),
        list(torch.utils.data.Subset(range(10), [3, 1])),
        len(torch.utils.data.ConcatDataset([numbers, numbers])),
        list(torch.utils.data.DistributedSampler(range(7), 2, 1)),
        list(torch.utils.data.distributed.DistributedSampler(range(7), 2, 0, shuffle=False)),
    ]
