"""The loader in one process: stored orders of PyTorch 2.13, options, errors, lengths."""

import pytest

import plait
from plait.utils import data


class Squares(data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return index * index


class Numbers(data.IterableDataset):
    def __init__(self, n, said=None):
        self.n, self.said = n, n if said is None else said

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.said


def values(loader):
    return [batch.tolist() for batch in loader]


def test_shuffle_gives_pytorchs_order():
    loader = data.DataLoader(data.TensorDataset(plait.arange(10)), batch_size=4, shuffle=True)
    plait.manual_seed(0)
    epochs = [[batch[0].tolist() for batch in loader] for _ in range(2)]
    assert epochs == [
        [[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]],
        [[2, 4, 7, 0], [8, 9, 5, 3], [6, 1]],
    ]
    assert plait.randint(0, 1000, (1,)).item() == 497


def test_batches():
    assert values(data.DataLoader(Squares(), batch_size=4)) == [
        [0, 1, 4, 9],
        [16, 25, 36, 49],
        [64, 81],
    ]
    loader = data.DataLoader(Squares(), batch_size=4, drop_last=True)
    assert len(loader) == len(values(loader)) == 2
    assert list(data.DataLoader(Squares(), batch_size=None)) == [k * k for k in range(10)]
    assert values(data.DataLoader(Squares(), sampler=[3, 1], batch_size=2)) == [[9, 1]]
    loader = data.DataLoader(Squares(), batch_sampler=[[1], [2, 3]])
    assert values(loader) == [[1], [4, 9]]
    assert loader.batch_size is None
    loader = data.DataLoader(Squares(), batch_size=5, collate_fn=sum)
    assert list(loader) == [30, 255]


def test_getitems_is_used():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [-index for index in indices]

    assert values(data.DataLoader(Batched(), batch_size=5)) == [
        [0, -1, -2, -3, -4],
        [-5, -6, -7, -8, -9],
    ]


def test_iterable():
    loader = data.DataLoader(Numbers(5), batch_size=2)
    assert values(loader) == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3
    loader = data.DataLoader(Numbers(5), batch_size=2, drop_last=True)
    assert values(loader) == [[0, 1], [2, 3]]
    assert len(loader) == 2
    assert list(data.DataLoader(Numbers(3), batch_size=None)) == [0, 1, 2]


def test_iterable_longer_than_it_said():
    loader = data.DataLoader(Numbers(3, said=2))
    len(loader)
    with pytest.warns(UserWarning, match="was reported to be 2"):
        list(loader)


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        list(data.DataLoader(Squares(), pin_memory=True))


def test_too_many_workers_warns():
    with pytest.warns(UserWarning, match="will create 10000 worker processes"):
        data.DataLoader(Squares(), num_workers=10_000)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
        ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, ValueError, "could only be specified in multiprocessing"),
        (
            {"prefetch_factor": -2, "num_workers": 1},
            ValueError,
            "prefetch_factor option should be non-negative",
        ),
        ({"persistent_workers": True}, ValueError, "needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, ValueError, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, ValueError, "batch_sampler option is mutually"),
        ({"batch_size": None, "drop_last": True}, ValueError, "disables auto-batching"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"multiprocessing_context": "fork"}, ValueError, "got num_workers=0"),
        (
            {"multiprocessing_context": "x", "num_workers": 1},
            ValueError,
            "should specify a valid start method",
        ),
        (
            {"multiprocessing_context": 3, "num_workers": 1},
            TypeError,
            "should be a valid context object",
        ),
    ],
)
def test_errors(options, error, words):
    with pytest.raises(error, match=words):
        data.DataLoader(Squares(), **options)


@pytest.mark.parametrize("name", ["shuffle", "sampler", "batch_sampler"])
def test_iterable_excludes_orders(name):
    with pytest.raises(ValueError, match=f"expected unspecified {name} option"):
        data.DataLoader(Numbers(3), **{name: [1]})


def test_fixed_attributes():
    loader = data.DataLoader(Squares())
    with pytest.raises(ValueError, match="batch_size attribute should not be set after"):
        loader.batch_size = 3
    loader.collate_fn = list
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        iter(loader).__getstate__()
    assert len(iter(loader)) == 10


def test_exception_of_the_dataset_passes_unchanged():
    class Broken(Squares):
        def __getitem__(self, index):
            raise LookupError("mine")

    with pytest.raises(LookupError, match=r"^mine$"):
        next(iter(data.DataLoader(Broken())))


def test_not_in_a_worker():
    assert data.get_worker_info() is None
