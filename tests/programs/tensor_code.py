"""Tensor code without a framework of its own: Gumbel draws, k-means, regressions by hand."""

# ruff: noqa: UP031  (tensors under % formatting are part of what is tried)

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
# gumbel-softmax VAE-ish
logits = torch.zeros(4, 3, requires_grad=True)
tgt = torch.tensor([0, 1, 2, 1])
o = torch.optim.Adam([logits], 0.1)
for _ in range(40):
    s = F.gumbel_softmax(logits, tau=1.0, hard=True)
    loss = -(s * F.one_hot(tgt, 3)).sum()
    o.zero_grad()
    loss.backward()
    o.step()
print(logits.argmax(1), s.sum(1).detach())
# own gumbel
u = torch.rand(4, 3)
gmb = -torch.log(-torch.log(u + 1e-20) + 1e-20)
print(((logits + gmb) / 0.5).softmax(-1).sum(-1).data)
# kmeans
pts = torch.cat([torch.randn(50, 2) + c for c in torch.tensor([[0.0, 0], [5, 5], [0, 5]])])
cent = pts[torch.randperm(len(pts))[:3]].clone()
for iteration in range(10):
    d = ((pts[:, None, :] - cent[None]) ** 2).sum(-1)
    a = d.argmin(1)
    cnew = torch.zeros_like(cent).scatter_add_(0, a[:, None].repeat(1, 2), pts) / torch.bincount(
        a, minlength=3
    ).unsqueeze(-1).type_as(pts)
    if torch.allclose(cnew, cent):
        print("settled after", iteration)
        break
    cent = cnew
print(cent[cent[:, 0].sort()[1]])
# linear regression by hand
X = torch.randn(100, 3)
wt = torch.tensor([[2.0], [-3.4], [1.0]])
y = X @ wt + 4.2 + 0.01 * torch.randn(100, 1)
w = torch.normal(0, 0.01, size=(3, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)


def data_iter(bs):
    idx = torch.randperm(100)
    for i in range(0, 100, bs):
        j = idx[i : min(i + bs, 100)]
        yield X[j], y[j]


for ep in range(5):
    for xb, yb in data_iter(10):
        l = ((torch.matmul(xb, w) + b - yb.reshape(-1, 1)) ** 2 / 2).sum()
        l.backward()
        with torch.no_grad():
            for p in [w, b]:
                p -= 0.03 * p.grad / 10
                p.grad.zero_()
    with torch.no_grad():
        print(f"epoch {ep + 1}, loss {float((((X @ w + b) - y) ** 2).mean()):f}")
print(w.reshape(-1).tolist(), b)
# logistic
xc = torch.cat([torch.randn(60, 2) - 1, torch.randn(60, 2) + 1])
yc = torch.cat([torch.zeros(60), torch.ones(60)])
m = nn.Linear(2, 1)
o = torch.optim.SGD(m.parameters(), lr=0.5)
for _ in range(40):
    p = torch.sigmoid(m(xc)).squeeze()
    l = nn.BCELoss()(p, yc)
    o.zero_grad()
    l.backward()
    o.step()
print(
    "%.4f" % l,
    ((p > 0.5).float() == yc).float().mean().item(),
    "%.4f" % nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))(m(xc)[:, 0], yc).item(),
)
# old poly fit
x = torch.linspace(-math.pi, math.pi, 200)
y = torch.sin(x)
xx = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))
model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1))
lf = nn.MSELoss(reduction="sum")
op = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for _ in range(100):
    l = lf(model(xx), y)
    op.zero_grad()
    l.backward()
    op.step()
print("%.3f" % l.item(), f"y = {model[0].bias.item():.3f} + {model[0].weight[:, 0].item():.3f} x")
# accumulation and clipping
net = nn.Sequential(nn.Linear(3, 8), nn.ELU(), nn.Linear(8, 1))
o = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.5)
acc = 4
for i, (xb, yb) in enumerate(zip(X.split(10), (X @ wt).split(10))):
    (F.mse_loss(net(xb), yb) / acc).backward()
    if (i + 1) % acc == 0 or i == 9:
        n = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
        o.step()
        o.zero_grad()
        print("%.4f" % n)
# dropout keeps mean; multi-task with shared trunk; detach trick
d = nn.Dropout(0.5)
v = d(torch.ones(10000))
print(abs(v.mean().item() - 1) < 0.05, sorted(v.unique().tolist()))
print(
    torch.where(torch.tensor([True, False]), 1.0, 2.0),
    torch.nn.functional.pad(torch.ones(1, 2), (1, 1), value=9),
    torch.roll(torch.arange(4), 1),
    torch.cumsum(torch.ones(3), 0),
    torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 2)),
    torch.nonzero(torch.tensor([0, 1, 1])),
    torch.clamp(torch.arange(5.0), 1, 3),
    torch.triu(torch.ones(3, 3), 1).bool(),
    torch.cartesian_prod(torch.arange(2), torch.arange(2)),
    torch.meshgrid(torch.arange(2), torch.arange(2), indexing="xy")[0],
)
