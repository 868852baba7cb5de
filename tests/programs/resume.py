"""Early stopping, and a checkpoint whose continuation is identical to the bit."""

import os
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


def set_seed(s):
    random.seed(s)
    np.random.seed(s)
    torch.manual_seed(s)
    torch.cuda.manual_seed_all(s)
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True)


class EarlyStopping:
    def __init__(self, patience=3, delta=0, path="best.pt"):
        self.patience, self.delta, self.path = patience, delta, path
        self.counter = 0
        self.best = None
        self.stop = False
        self.val_loss_min = np.inf

    def __call__(self, v, model):
        s = -v
        if self.best is None or s >= self.best + self.delta:
            self.best = s
            print(f"Validation loss decreased ({self.val_loss_min:.5f} --> {v:.5f})")
            torch.save(model.state_dict(), self.path)
            self.val_loss_min = v
            self.counter = 0
        else:
            self.counter += 1
            self.stop = self.counter >= self.patience


def build():
    m = nn.Sequential(
        nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 1)
    )
    o = torch.optim.Adam(m.parameters(), lr=1e-2)
    s = torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)
    return m, o, s


g = torch.Generator().manual_seed(0)
X = torch.randn(160, 6, generator=g)
Y = (X[:, :2].prod(1, keepdim=True)) + 0.1 * torch.randn(160, 1, generator=g)
tr, va = TensorDataset(X[:128], Y[:128]), (X[128:], Y[128:])


def run(epochs, resume=None, stop_at=None):
    set_seed(0)
    m, o, s = build()
    start = 0
    hist = []
    if resume and os.path.isfile(resume):
        ck = torch.load(resume, weights_only=False)
        m.load_state_dict(ck["model"])
        o.load_state_dict(ck["optimizer"])
        s.load_state_dict(ck["scheduler"])
        start = ck["epoch"]
        torch.set_rng_state(ck["rng"])
        np.random.set_state(ck["np"])
        random.setstate(ck["py"])
        print(f"=> loaded checkpoint '{resume}' (epoch {start})")
    for e in range(start, epochs):
        m.train()
        for xb, yb in DataLoader(tr, 32, shuffle=True):
            o.zero_grad()
            l = nn.functional.huber_loss(m(xb), yb)
            l.backward()
            o.step()
        s.step()
        m.eval()
        with torch.no_grad():
            v = nn.functional.mse_loss(m(va[0]), va[1]).item()
        hist.append(v)
        if stop_at == e + 1:
            torch.save(
                {
                    "epoch": e + 1,
                    "model": m.state_dict(),
                    "optimizer": o.state_dict(),
                    "scheduler": s.state_dict(),
                    "rng": torch.get_rng_state(),
                    "np": np.random.get_state(),
                    "py": random.getstate(),
                },
                "ck.tar",
            )
            break
    return m, hist


m1, h1 = run(6)
_, ha = run(6, stop_at=3)
m2, hb = run(6, resume="ck.tar")
print(
    "identical continuation",
    ha + hb == h1,
    all(torch.equal(a, b) for a, b in zip(m1.state_dict().values(), m2.state_dict().values())),
)
es = EarlyStopping()
for v in [1.0, 0.8, 0.9, 0.85, 0.95]:
    es(v, m1)
    if es.stop:
        print("Early stopping")
        break
m1.load_state_dict(torch.load("best.pt", weights_only=True))
print(os.path.getsize("best.pt") > 500, len(h1))
