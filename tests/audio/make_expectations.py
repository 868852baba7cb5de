"""Write `expected.npz`: what torchaudio makes of `cases.CASES`, and its gradients.

Run `python tests/audio/make_expectations.py` where PyTorch and torchaudio are installed. Kept are
some of the values of each result, and its shape. Gradients of recursive filters are those of a
plain loop: torchaudio's own need its compiled library, which asks for CUDA.
"""

from __future__ import annotations

import importlib
import warnings

import cases
import numpy as np


def looped(x, a, b):
    """The recursive filter as its definition says, in float64: x (n, filters, time)."""
    import torch

    order, time = a.shape[1] - 1, x.shape[-1]
    a, b = a.double() / a[:, :1], b.double() / a[:, :1]
    late = torch.nn.functional.pad(x.double(), (order, 0))
    found = [torch.zeros(x.shape[:2], dtype=torch.float64)] * order
    for t in range(time):
        value = sum(b[:, k] * late[..., order + t - k] for k in range(order + 1))
        for k in range(1, order + 1):
            value = value - a[:, k] * found[-k]
        found.append(value)
    return torch.stack(found[order:], -1).to(x.dtype)


def main() -> None:
    import torch
    import torchaudio

    warnings.simplefilter("ignore")
    filtering = importlib.import_module("torchaudio.functional.filtering")
    own = filtering._lfilter
    found = {}
    for name, case in cases.CASES.items():
        smooth = name in cases.SMOOTH
        noise = torch.from_numpy(cases.weights((2, 1600)))

        def run(x, name=name, case=case, noise=noise):
            torch.manual_seed(cases.seed(name))
            return case(torch, torchaudio.functional, torchaudio.transforms, x, noise)

        out = run(torch.from_numpy(cases.wave()))
        found[f"{name}|shape"] = np.array(out.shape, np.int64)
        found[f"{name}|value"] = cases.sampled(out.detach().numpy())
        if smooth:
            x = torch.from_numpy(cases.wave()).requires_grad_()
            filtering._lfilter = looped
            out = run(x)
            filtering._lfilter = own
            (out * torch.from_numpy(cases.weights(tuple(out.shape)))).sum().backward()
            found[f"{name}|slope"] = cases.sampled(x.grad.numpy())
    np.savez_compressed(cases.PATH, **found)


if __name__ == "__main__":
    main()
