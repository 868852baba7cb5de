"""Graph networks in the manner of teaching code: sparse convolutions, dense attention."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parameter import Parameter


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.FloatTensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.FloatTensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-bound, bound)
        if self.bias is not None:
            self.bias.data.uniform_(-bound, bound)

    def forward(self, input, adjacency):
        output = torch.spmm(adjacency, torch.mm(input, self.weight))
        return output + self.bias if self.bias is not None else output

    def __repr__(self):
        return f"{self.__class__.__name__} ({self.in_features} -> {self.out_features})"


class GCN(nn.Module):
    def __init__(self, features, hidden, classes):
        super().__init__()
        self.gc1 = GraphConvolution(features, hidden)
        self.gc2 = GraphConvolution(hidden, classes)

    def forward(self, x, adjacency):
        return F.log_softmax(self.gc2(F.relu(self.gc1(x, adjacency)), adjacency), dim=1)


class GraphAttention(nn.Module):
    def __init__(self, in_features, out_features, heads, alpha=0.2):
        super().__init__()
        self.heads, self.hidden = heads, out_features
        self.W = nn.Parameter(torch.empty(size=(in_features, out_features * heads)))
        self.a = nn.Parameter(torch.empty(size=(heads, 2 * out_features, 1)))
        nn.init.xavier_uniform_(self.W.data, gain=1.414)
        nn.init.xavier_uniform_(self.a.data, gain=1.414)
        self.leakyrelu = nn.LeakyReLU(alpha)

    def forward(self, h, adjacency):
        n = h.shape[0]
        Wh = torch.mm(h, self.W).view(n, self.heads, self.hidden).permute(1, 0, 2)
        source = torch.matmul(Wh, self.a[:, : self.hidden, :])
        target = torch.matmul(Wh, self.a[:, self.hidden :, :])
        e = self.leakyrelu(source + target.mT)
        attention = torch.where(adjacency > 0, e, -9e15 * torch.ones_like(e))
        return torch.matmul(F.softmax(attention, dim=-1), Wh).mean(dim=0)


class GAT(nn.Module):
    def __init__(self, features, hidden, classes, heads):
        super().__init__()
        self.attention1 = GraphAttention(features, hidden, heads)
        self.attention2 = GraphAttention(hidden, classes, 1)

    def forward(self, x, adjacency):
        x = F.elu(self.attention1(x, adjacency))
        return F.log_softmax(self.attention2(x, adjacency), dim=1)


def make_graph(nodes=60, features=24, classes=3):
    labels = torch.arange(nodes) % classes
    words = torch.rand(classes, features)
    x = (torch.rand(nodes, features) < 0.1 + 0.4 * words[labels]).float()
    scale = 1 / x.sum(1)
    scale[scale == float("inf")] = 0
    x = torch.diag(scale).to_sparse() @ x
    pairs = torch.randint(0, nodes, (2, 400))
    alike = labels[pairs[0]] == labels[pairs[1]]
    edges = pairs[:, alike | (torch.rand(400) < 0.1)]
    adjacency = torch.sparse_coo_tensor(edges, torch.ones(edges.size(1)), (nodes, nodes))
    dense = ((adjacency + adjacency.t()).to_dense() > 0).float() + torch.eye(nodes)
    degree = dense.sum(1).pow(-0.5)
    return x, labels, dense, (degree[:, None] * dense * degree).to_sparse()


def accuracy(output, labels):
    predicted = output.max(1)[1].type_as(labels)
    return predicted.eq(labels).double().sum() / len(labels)


def fit(model, x, adjacency, labels, train, test):
    print(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    for epoch in range(25):
        model.train()
        optimizer.zero_grad()
        output = model(x, adjacency)
        loss = F.nll_loss(output[train], labels[train])
        loss.backward()
        optimizer.step()
        if epoch % 6 == 0:
            model.eval()
            with torch.no_grad():
                right = accuracy(model(x, adjacency)[test], labels[test])
            print(f"epoch {epoch:02d} loss {loss.item():.4f} accuracy {right.item():.3f}")


torch.manual_seed(7)
x, labels, dense, normal = make_graph()
print(normal.is_sparse, tuple(normal.shape), normal.coalesce().values().sum())
train, test = torch.arange(0, 30), torch.arange(30, 60)
fit(GCN(x.size(1), 16, 3), x, normal, labels, train, test)
fit(GAT(x.size(1), 8, 3, heads=4), x, dense, labels, train, test)
