"""Worker processes: same batches, seeds, errors, deaths, ends. No orphan stays, nothing hangs."""

import gc
import multiprocessing
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

import plait
from plait.utils import data

# The warning of Python 3.12+ on fork in a process with threads is about any program that does it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")


class Squares(data.Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index


class Images(Squares):
    """Items large enough to cross in a memory file."""

    def __getitem__(self, index):
        return plait.full((100, 100), float(index)), np.full((3,), index), {"name": str(index)}


class Draws(Squares):
    def __getitem__(self, index):
        return plait.randint(0, 1000, (1,)).item(), random.randrange(1000), np.random.randint(1000)


class Shared(data.IterableDataset):
    """Numbers dealt out among the workers."""

    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, 11, step))


class Fails(Squares):
    def __init__(self, how):
        super().__init__(6)
        self.how = how

    def __getitem__(self, index):
        return self.how() if index == 4 else index


class Picky(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


def raise_key_error():
    raise KeyError("no four")


def raise_picky():
    raise Picky(1, 2)


def raise_local():
    class Local(Exception):
        pass

    raise Local("inner")


def values(loader):
    return [batch.tolist() for batch in loader]


def no_children():
    gc.collect()  # a caught exception holds frames, and they an iterator of an earlier test
    return not [p for p in multiprocessing.active_children() if "plait-data" in p.name]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_same_batches_in_the_same_order(workers):
    loader = data.DataLoader(Squares(), batch_size=3, num_workers=workers)
    assert values(loader) == values(data.DataLoader(Squares(), batch_size=3))
    assert no_children()


def test_large_batches_cross():
    batches = list(data.DataLoader(Images(6), batch_size=2, num_workers=2))
    for k, (image, array, names) in enumerate(batches):
        assert tuple(image.shape) == (2, 100, 100)
        assert image[1, 99, 99].item() == 2 * k + 1
        assert array[0].tolist() == [2 * k] * 3
        assert names["name"] == [str(2 * k), str(2 * k + 1)]
        image.add_(1)  # ours: may be written
    assert batches[0][0][0, 0, 0].item() == 1


@pytest.mark.parametrize("name", ["bfloat16", "bool", "complex64"])
def test_dtypes_cross(name):
    dtype = getattr(plait, name)
    dataset = data.TensorDataset(plait.ones(4, 3).to(dtype))
    (batch,) = next(iter(data.DataLoader(dataset, batch_size=4, num_workers=1)))
    assert batch.dtype == dtype
    assert batch.tolist() == dataset.tensors[0].tolist()


def test_shuffle_and_seeds_are_pytorchs():
    plait.manual_seed(0)
    dataset = data.TensorDataset(plait.arange(10))
    loader = data.DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2)
    assert [batch[0].tolist() for batch in loader] == [[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]]
    plait.manual_seed(5)
    drawn = [[part.item() for part in batch] for batch in data.DataLoader(Draws(4), num_workers=2)]
    assert drawn == [[557, 996, 612], [238, 752, 834], [364, 680, 106], [935, 768, 96]]


def test_iterable_is_shared_out():
    loader = data.DataLoader(Shared(), batch_size=2, num_workers=2)
    assert values(loader) == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]
    assert values(loader) == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]


def test_worker_info_and_init():
    def init(number):
        info = data.get_worker_info()
        assert (info.id, info.num_workers) == (number, 2)
        info.dataset.n = 100 + number
        with pytest.raises(RuntimeError, match="Cannot assign attributes"):
            info.id = 3

    class Tells(Squares):
        def __getitem__(self, index):
            info = data.get_worker_info()
            return self.n, info.seed - info.id

    batches = list(data.DataLoader(Tells(4), num_workers=2, worker_init_fn=init))
    assert [batch[0].item() for batch in batches] == [100, 101, 100, 101]
    assert len({batch[1].item() for batch in batches}) == 1


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        (raise_key_error, KeyError, "Caught KeyError in DataLoader worker process 0.\nOriginal"),
        (raise_picky, RuntimeError, "Caught Picky in DataLoader worker process 0."),
        (raise_local, RuntimeError, "Caught Local in DataLoader worker process 0."),
        (lambda: lambda: None, TypeError, "found <class 'function'>"),
    ],
)
def test_exceptions_are_raised_here(how, error, words):
    received = []
    with pytest.raises(error, match=words) as caught:
        for batch in data.DataLoader(Fails(how), num_workers=2):
            received.append(batch.item())
    assert received == [0, 1, 2, 3]
    assert "Traceback (most recent call last)" in str(caught.value)


def test_unpicklable_batch_is_an_error():
    loader = data.DataLoader(Fails(lambda: lambda: None), num_workers=2, collate_fn=list)
    with pytest.raises(Exception, match=r"in DataLoader worker process 0(.|\n)*pickle"):
        list(loader)


def test_failing_init_is_raised():
    def init(number):
        raise ValueError("bad start")

    loader = data.DataLoader(Squares(), num_workers=1, worker_init_fn=init)
    with pytest.raises(ValueError, match=r"worker process 0(.|\n)*bad start"):
        next(iter(loader))


def test_death_is_noticed():
    loader = data.DataLoader(Fails(lambda: os._exit(7)), num_workers=2)
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(loader)
    assert no_children()


def test_timeout():
    loader = data.DataLoader(Fails(lambda: time.sleep(60)), num_workers=1, timeout=0.3)
    iterator = iter(loader)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.3 seconds"):
        list(iterator)
    for process in iterator._pool.processes:
        process.kill()  # it sleeps: do not wait for it
    iterator._shutdown_workers()
    assert no_children()


def test_leaving_the_loop_ends_the_workers():
    for _ in data.DataLoader(Images(50), batch_size=2, num_workers=2):
        break
    assert no_children()
    with pytest.raises(ZeroDivisionError):
        for _ in data.DataLoader(Squares(), num_workers=2):
            raise ZeroDivisionError
    iterator = iter(data.DataLoader(Squares(), num_workers=2))
    del iterator


def test_persistent_workers():
    class Pids(Squares):
        def __getitem__(self, index):
            return index, os.getpid()

    loader = data.DataLoader(Pids(6), num_workers=2, persistent_workers=True)
    first = [[part.item() for part in batch] for batch in loader]
    for _ in loader:
        break  # what is under way of this epoch must not show up in the next
    second = [[part.item() for part in batch] for batch in loader]
    assert first == second
    assert [row[0] for row in second] == list(range(6))
    shared = data.DataLoader(Shared(), num_workers=2, persistent_workers=True)
    assert values(shared) == values(shared)
    loader._iterator._shutdown_workers()
    shared._iterator._shutdown_workers()
    assert no_children()


def test_out_of_order():
    loader = data.DataLoader(Squares(20), num_workers=2, in_order=False)
    assert sorted(values(loader)) == [[k * k] for k in range(20)]


def test_prefetch_factor_zero():
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0"):
        iter(data.DataLoader(Squares(), num_workers=1, prefetch_factor=0))


SCRIPT = """
import plait
from plait.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 6
    def __getitem__(self, index):
        return plait.tensor([index * index])

{body}
"""


def run_script(tmp_path, body):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(body=body))
    # The limit only turns a hang into a failure.
    return subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=os.getcwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="fork is the default on Linux only"
)
def test_script_without_a_guard_works_by_default(tmp_path):
    body = "print([b.tolist() for b in DataLoader(Squares(), batch_size=3, num_workers=2)])"
    result = run_script(tmp_path, body)
    assert result.stdout.strip() == "[[[0], [1], [4]], [[9], [16], [25]]]"
    assert result.returncode == 0


def test_spawn(tmp_path):
    body = (
        "if __name__ == '__main__':\n"
        "    loader = DataLoader(Squares(), num_workers=2, multiprocessing_context='spawn')\n"
        "    print([b.item() for b in loader])"
    )
    result = run_script(tmp_path, body)
    assert result.stdout.strip() == "[0, 1, 4, 9, 16, 25]", result.stderr
    assert result.returncode == 0


def test_spawn_without_a_guard_gives_an_error(tmp_path):
    body = "list(DataLoader(Squares(), num_workers=1, multiprocessing_context='spawn'))"
    result = run_script(tmp_path, body)
    assert result.returncode != 0
    assert "under `if __name__ == '__main__':`" in result.stderr


def test_interpreter_ends_with_workers_alive(tmp_path):
    body = (
        "loader = DataLoader(Squares(), num_workers=2, persistent_workers=True,\n"
        "                    multiprocessing_context='fork')\n"
        "iterator = iter(loader)\n"
        "print(next(iterator).item(), *[p.pid for p in iterator._pool.processes])"
    )
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("the script is not guarded, so it needs fork")
    result = run_script(tmp_path, body)
    assert result.returncode == 0
    assert result.stderr == ""
    for pid in result.stdout.split()[1:]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
