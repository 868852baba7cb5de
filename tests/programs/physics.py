"""A physics-informed network: second derivatives in the loss, an unknown coefficient, MAML."""

# ruff: noqa: UP031  (tensors under % formatting are part of what is tried)

import numpy as np
import torch
import torch.nn as nn
from torch.autograd.functional import hessian, jacobian

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)
        )
        for m in self.net:
            if isinstance(m, nn.Linear):
                nn.init.xavier_normal_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x, t):
        return self.net(torch.cat([x, t], 1))


u = FCN()
nu = torch.nn.Parameter(torch.tensor(0.3))
opt = torch.optim.Adam([*u.parameters(), nu], lr=5e-3)


def g(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


x = torch.rand(64, 1).requires_grad_()
t = torch.rand(64, 1, requires_grad=True)
x0 = torch.rand(32, 1)
u0 = torch.sin(np.pi * x0)
for i in range(60):
    opt.zero_grad()
    uu = u(x, t)
    ux, ut = g(uu, x), g(uu, t)
    uxx = g(ux, x)
    res = ut - nu * uxx
    loss = (
        res.pow(2).mean()
        + ((u(x0, torch.zeros_like(x0)) - u0) ** 2).mean()
        + (u(torch.zeros(8, 1), torch.rand(8, 1)) ** 2).mean()
    )
    loss.backward()
    opt.step()
    if i % 15 == 0:
        print(i, "%.6f" % loss.item(), "%.6f" % nu.item())


def f(v):
    return (v**3).sum() + v[0] * v[1]


v = torch.tensor([1.0, 2.0])
print(hessian(f, v), jacobian(lambda v: v**2, v))
y = v.clone().requires_grad_()
z = f(y)
(gr,) = torch.autograd.grad(z, y, create_graph=True)
hv = torch.autograd.grad(gr @ torch.ones(2), y)
print(hv, gr)
# mixed MAML-like inner step
w = torch.ones(3, requires_grad=True)
X = torch.randn(10, 3)
Y = X.sum(1) * 2
fast = w - 0.1 * torch.autograd.grad(((X @ w - Y) ** 2).mean(), w, create_graph=True)[0]
((X @ fast - Y) ** 2).mean().backward()
print(w.grad)
