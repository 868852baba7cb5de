"""Datasets and samplers: values, stored random orders of PyTorch 2.13, errors."""

import pytest

import plait
from plait.utils import data


class Numbers(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


class Squares(data.Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index


def test_module_tree_is_pytorchs():
    from plait.utils.data import dataloader, dataset, sampler
    from plait.utils.data._utils import collate, worker

    assert dataloader.DataLoader is data.DataLoader
    assert dataloader.default_collate is collate.default_collate
    assert dataset.Subset is data.Subset
    assert sampler.RandomSampler is data.RandomSampler
    assert worker.get_worker_info is data.get_worker_info
    assert data.distributed.DistributedSampler is data.DistributedSampler


def test_tensor_dataset():
    dataset = data.TensorDataset(plait.arange(4), plait.arange(8).reshape(4, 2))
    assert len(dataset) == 4
    assert [tensor.tolist() for tensor in dataset[2]] == [2, [4, 5]]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(plait.zeros(2), plait.zeros(3))


def test_concat_and_chain():
    both = Squares(3) + Squares(2)
    assert [both[i] for i in range(5)] == [0, 1, 4, 0, 1]
    assert both[-1] == 1
    assert both.cumulative_sizes == [3, 5]
    with pytest.raises(ValueError, match="should not exceed dataset length"):
        both[-6]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        data.ConcatDataset([Numbers(2)])
    chain = Numbers(2) + Numbers(1)
    assert list(chain) == [0, 1, 0]
    assert len(chain) == 3
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(data.ChainDataset([Squares()]))


def test_subset():
    subset = data.Subset(data.Subset(Squares(), [5, 6, 7]), [2, 0])
    assert list(subset) == [49, 25]
    assert subset.__getitems__([1, 0]) == [25, 49]

    class Half(data.Subset):
        def __getitem__(self, index):
            return 0

    with pytest.raises(NotImplementedError, match="must also override __getitems__"):
        Half(Squares(), [1])


def test_stack():
    stacked = data.StackDataset(Squares(3), Squares(3))
    assert stacked[2] == (4, 4)
    assert stacked.__getitems__([1, 2]) == [(1, 1), (4, 4)]
    named = data.StackDataset(a=Squares(3), b=data.Subset(Squares(), [3, 4, 5]))
    assert named[1] == {"a": 1, "b": 16}
    assert named.__getitems__([0]) == [{"a": 0, "b": 9}]
    for args, kwargs, words in (
        ((Squares(),), {"a": Squares()}, "both types are given"),
        ((), {}, "At least one"),
        ((Squares(2), Squares(3)), {}, "Size mismatch between datasets"),
    ):
        with pytest.raises(ValueError, match=words):
            data.StackDataset(*args, **kwargs)


def test_dataset_must_be_written():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        data.Dataset()[0]


def seeded(seed):
    generator = plait.Generator()
    generator.manual_seed(seed)
    return generator


def test_random_split_gives_pytorchs_parts():
    parts = data.random_split(range(10), [3, 7], generator=seeded(42))
    assert [list(part.indices) for part in parts] == [[2, 6, 1], [8, 4, 5, 0, 9, 3, 7]]
    parts = data.random_split(range(10), [0.35, 0.35, 0.3], generator=seeded(7))
    assert [list(part.indices) for part in parts] == [[5, 0, 3, 4], [1, 7, 9], [6, 8, 2]]


def test_random_split_errors():
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(10), [3, 8])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        data.random_split(range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 2 is 0"):
        data.random_split(range(3), [0.5, 0.45, 0.05])


def test_random_samplers_give_pytorchs_orders():
    plait.manual_seed(1)
    sampler = data.RandomSampler(range(5), num_samples=12)
    assert list(sampler) == [1, 3, 4, 0, 2, 1, 0, 3, 4, 2, 4, 2]
    drawn = list(data.RandomSampler(range(50), replacement=True, num_samples=40))
    assert drawn[:8] == [44, 20, 48, 25, 4, 42, 43, 13]
    assert drawn[31:] == [36, 37, 13, 11, 36, 10, 18, 13, 8]
    assert len(drawn) == 40
    plait.manual_seed(2)
    assert list(data.SubsetRandomSampler([5, 6, 7, 8])) == [5, 6, 8, 7]
    assert list(data.WeightedRandomSampler([0.1, 0.9, 0.4], 5)) == [2, 2, 2, 1, 1]
    weighted = data.WeightedRandomSampler([0.1, 0.9, 0.4], 3, replacement=False)
    assert list(weighted) == [1, 2, 0]


def test_sequential_and_batches():
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    batches = data.BatchSampler(range(5), 2, False)
    assert list(batches) == [[0, 1], [2, 3], [4]]
    assert len(batches) == 3
    batches = data.BatchSampler(data.SequentialSampler(range(5)), 2, True)
    assert list(batches) == [[0, 1], [2, 3]]
    assert len(batches) == 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: data.RandomSampler(range(3), replacement=1), TypeError, "replacement=1"),
        (lambda: data.RandomSampler(range(0)), ValueError, "num_samples=0"),
        (lambda: data.RandomSampler(range(3), num_samples=-1), ValueError, "num_samples=-1"),
        (lambda: data.BatchSampler(range(3), 0, False), ValueError, "batch_size=0"),
        (lambda: data.BatchSampler(range(3), True, False), ValueError, "batch_size=True"),
        (lambda: data.BatchSampler(range(3), 1, 0), ValueError, "drop_last=0"),
        (lambda: data.WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
        (lambda: data.WeightedRandomSampler([1.0], 1, 3), ValueError, "replacement=3"),
        (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError, r"have shape \(1, 1\)"),
        (lambda: data.DistributedSampler(range(3), 2, 2), ValueError, "Invalid rank 2"),
    ],
)
def test_sampler_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_distributed():
    assert list(data.DistributedSampler(range(7), 2, 1, seed=3)) == [3, 6, 2, 5]
    assert list(data.DistributedSampler(range(3), shuffle=False)) == [0, 1, 2]
    parts = [list(data.DistributedSampler(range(5), 2, r, shuffle=False)) for r in (0, 1)]
    assert parts == [[0, 2, 4], [1, 3, 0]]
    parts = [
        list(data.DistributedSampler(range(5), 2, r, shuffle=False, drop_last=True)) for r in (0, 1)
    ]
    assert parts == [[0, 2], [1, 3]]
    assert list(data.DistributedSampler(range(1), 4, 3, shuffle=False)) == [0]
    sampler = data.DistributedSampler(range(50), 1, 0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
