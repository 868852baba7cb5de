"""The loader against the real PyTorch: the same orders, batches and draws for the same seed."""

import pytest

import plait
from plait.utils import data

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")


def both(make):
    """`make(framework, its utils.data)` seeded alike in Plait and in PyTorch."""
    results = []
    for framework, module in ((plait, data), (torch, torch.utils.data)):
        framework.manual_seed(11)
        results.append(make(framework, module))
        results[-1] = (results[-1], framework.randint(0, 10**6, (3,)).tolist())
    return results


@pytest.mark.parametrize("n", [1, 7, 100])
@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True},
        {"shuffle": True, "drop_last": True, "batch_size": 3},
        {"shuffle": True, "batch_size": None},
        {"shuffle": False, "batch_size": 4},
        {"shuffle": True, "num_workers": 2, "batch_size": 5},
        {"shuffle": True, "num_workers": 1, "persistent_workers": True},
    ],
)
def test_epochs(n, own_generator, options):
    def make(framework, module):
        dataset = module.TensorDataset(framework.arange(n), framework.arange(2.0 * n).view(n, 2))
        generator = framework.Generator() if own_generator else None
        if generator is not None:
            generator.manual_seed(5)
        loader = module.DataLoader(dataset, generator=generator, **options)
        return [[[t.tolist() for t in batch] for batch in loader] for _ in range(2)]

    ours, theirs = both(make)
    assert ours == theirs


@pytest.mark.parametrize(
    "make",
    [
        lambda f, m: list(m.RandomSampler(range(9), num_samples=20)),
        lambda f, m: list(m.RandomSampler(range(9), replacement=True, num_samples=70)),
        lambda f, m: list(m.SubsetRandomSampler([4, 8, 1])),
        lambda f, m: list(m.WeightedRandomSampler([1.0, 0.0, 3.0], 20)),
        lambda f, m: list(m.DistributedSampler(range(11), 3, 1, seed=4)),
        lambda f, m: list(m.DistributedSampler(range(11), 3, 2, drop_last=True)),
        lambda f, m: [list(s.indices) for s in m.random_split(range(17), [5, 12])],
        lambda f, m: [list(s.indices) for s in m.random_split(range(17), [0.5, 0.25, 0.25])],
    ],
)
def test_samplers(make):
    ours, theirs = both(make)
    assert ours == theirs


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"num_workers": -1}, 3),
        ({"timeout": -1}, 3),
        ({"prefetch_factor": 2}, 3),
        ({"persistent_workers": True}, 3),
        ({"sampler": [1], "shuffle": True}, 3),
        ({"batch_sampler": [[1]], "batch_size": 2}, 3),
        ({"batch_size": None, "drop_last": True}, 3),
        ({"batch_size": 0}, 3),
        ({"batch_size": 2.0}, 3),
        ({"shuffle": True}, 0),
        ({"multiprocessing_context": "spawn"}, 3),
        ({"multiprocessing_context": "x", "num_workers": 1}, 3),
        ({"multiprocessing_context": 3, "num_workers": 1}, 3),
    ],
)
def test_errors_have_pytorchs_words(options, n):
    errors = []
    for module in (data, torch.utils.data):
        with pytest.raises((ValueError, TypeError)) as caught:
            module.DataLoader(range(n), **options)
        # What was received and the user's line follow PyTorch's words.
        errors.append((type(caught.value), str(caught.value).partition("\n")[0]))
    assert errors[0] == errors[1]
