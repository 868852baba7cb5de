"""Sparse tensors in coordinate form: a graph layer learns, what is not built says so."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch


def graph(nodes: int = 6):
    """A ring as a normalised sparse adjacency matrix with loops."""
    places = np.arange(nodes)
    rows = np.concatenate([places] * 3)
    columns = np.concatenate([places, (places + 1) % nodes, (places - 1) % nodes])
    return torch.sparse_coo_tensor(np.stack([rows, columns]), [1 / 3] * (3 * nodes))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_graph_convolution_learns_like_a_dense_one(compiled) -> None:
    losses = []
    for adjacency in (graph(), graph().to_dense()):
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 3)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        x, y = torch.randn(6, 4), torch.arange(6) % 3

        def step(adjacency=adjacency, layer=layer, optimizer=optimizer, x=x, y=y):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(torch.spmm(adjacency, layer(x)), y)
            loss.backward()
            optimizer.step()
            return loss

        run = torch.compile(step) if compiled else step
        losses.append([run().item() for _ in range(6)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_no_dense_copy_is_made_by_a_product() -> None:
    size = 1_000_000
    indices = torch.tensor([[0, size - 1], [size - 1, 0]])
    matrix = torch.sparse_coo_tensor(indices, [2.0, 3.0], (size, size))
    found = matrix @ torch.arange(float(size))
    assert found[0] == 2 * (size - 1)
    assert found[1:].abs().sum() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s @ s,
        lambda s: s.exp(),
        lambda s: torch.add(s, 1),
        lambda s: s[0],
        lambda s: s.sum(0),
        lambda s: s * s,
        lambda s: s.numpy(),
        lambda s: torch.relu(s),
        lambda s: s.reshape(-1),
        lambda s: torch.sparse.softmax(s, 1),
        lambda s: torch.sparse_coo_tensor([[0]], [1.0], requires_grad=True),
        lambda s: torch.ones(2).to_sparse(layout=torch.strided),
    ],
)
def test_what_is_not_built_says_so(call) -> None:
    with pytest.raises(NotImplementedError):
        call(graph())
