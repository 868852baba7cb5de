"""Datasets, samplers, collate functions and worker processes, in the common spellings."""

import random

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    get_worker_info,
    random_split,
)


class TextSet(Dataset):
    def __init__(self, n, transform=None):
        rng = np.random.default_rng(0)
        self.items = [rng.integers(1, 50, size=int(k)) for k in rng.integers(3, 12, size=n)]
        self.labels = np.array([len(i) % 3 for i in self.items])
        self.transform = transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        s = {
            "ids": torch.from_numpy(self.items[idx]),
            "label": self.labels[idx],
            "name": f"item{idx}",
        }
        return self.transform(s) if self.transform else s


class BucketSampler(Sampler):
    def __init__(self, ds, bs):
        self.ds, self.bs = ds, bs

    def __iter__(self):
        order = sorted(range(len(self.ds)), key=lambda i: len(self.ds.items[i]))
        batches = [order[i : i + self.bs] for i in range(0, len(order), self.bs)]
        for i in torch.randperm(len(batches)).tolist():
            yield batches[i]

    def __len__(self):
        return (len(self.ds) + self.bs - 1) // self.bs


def collate(batch):
    L = max(len(b["ids"]) for b in batch)
    out = torch.zeros(len(batch), L, dtype=torch.long)
    for i, b in enumerate(batch):
        out[i, : len(b["ids"])] = b["ids"]
    return out, torch.as_tensor([b["label"] for b in batch]), [b["name"] for b in batch]


class Stream(IterableDataset):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __iter__(self):
        w = get_worker_info()
        if w is None:
            lo, hi = self.a, self.b
        else:
            per = (self.b - self.a + w.num_workers - 1) // w.num_workers
            lo = self.a + w.id * per
            hi = min(lo + per, self.b)
        return iter(range(lo, hi))


def seed_worker(worker_id):
    s = torch.initial_seed() % 2**32
    np.random.seed(s)
    random.seed(s)


if __name__ == "__main__":
    torch.manual_seed(0)
    ds = TextSet(40)
    g = torch.Generator()
    g.manual_seed(0)
    for nw in 0, 2:
        dl = DataLoader(
            ds,
            batch_sampler=BucketSampler(ds, 6),
            collate_fn=collate,
            num_workers=nw,
            worker_init_fn=seed_worker,
            generator=g,
        )
        tot = 0
        for ids, lab, names in dl:
            tot += ids.sum().item() + lab.sum().item()
            last = (ids.shape, lab.dtype, names[0])
        print(nw, tot, last, len(dl))
    fixed = [
        {"a": torch.ones(2) * i, "b": (i, float(i)), "c": np.float32(i), "d": [np.arange(3)]}
        for i in range(5)
    ]
    for b in DataLoader(fixed, batch_size=2, drop_last=False, pin_memory=False):
        print(b)
    tr, va = random_split(ds, [30, 10], generator=torch.Generator().manual_seed(42))
    print(va.indices)
    a, b = random_split(range(10), [0.7, 0.3])
    print(list(a), list(b))
    ws = WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 8, replacement=True)
    print(list(ws))
    print(
        sorted(x.item() for x in DataLoader(Stream(3, 11), num_workers=2)),
        list(BatchSampler(SubsetRandomSampler(range(7)), 3, False)),
    )
    print(
        len(ConcatDataset([ds, ds])),
        [
            k.shape
            for k in next(
                iter(
                    DataLoader(
                        torch.utils.data.TensorDataset(torch.randn(9, 2), torch.arange(9)),
                        4,
                        shuffle=True,
                    )
                )
            )
        ],
    )
    it = iter(DataLoader(range(6), 4))
    print(next(it), next(it))
    print(next(it, None))
