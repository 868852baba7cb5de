"""Sequences: waves continued by LSTM cells and LBFGS, and a language model over words."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

TEXT = """the cat sat on the mat and the dog sat on the log . the cat saw the dog and the dog
saw the cat . a bird sat in the tree and sang to the cat and to the dog . the mat was red and
the log was brown and the tree was green . the bird saw the mat and the log and the tree ."""


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 12)
        self.lstm2 = nn.LSTMCell(12, 12)
        self.linear = nn.Linear(12, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        c_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), 12, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), 12, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


def continue_waves():
    start = torch.tensor([[0.0], [3.0], [7.0], [11.0]], dtype=torch.double)
    data = torch.sin((torch.arange(30, dtype=torch.double) + start) / 4)
    model, criterion = Sequence().double(), nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.8, max_iter=6)

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(data[1:, :-1]), data[1:, 1:])
        loss.backward()
        return loss

    for step in range(3):
        loss = optimizer.step(closure)
        with torch.no_grad():
            ahead = model(data[:1, :-1], future=10)
            test = criterion(ahead[:, :-10], data[:1, 1:])
        print(f"step {step} loss {loss.item():.6f} test {test.item():.6f} {tuple(ahead.shape)}")


class RNNModel(nn.Module):
    def __init__(self, kind, tokens, size, layers, tied):
        super().__init__()
        self.encoder = nn.Embedding(tokens, size)
        self.rnn = getattr(nn, kind)(size, size, layers)
        self.decoder = nn.Linear(size, tokens)
        if tied:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        self.kind, self.size, self.layers = kind, size, layers

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.encoder(input), hidden)
        decoded = self.decoder(output)
        return F.log_softmax(decoded.view(-1, decoded.size(-1)), dim=1), hidden

    def init_hidden(self, batch):
        weight = next(self.parameters())
        zeros = weight.new_zeros(self.layers, batch, self.size)
        return (zeros, weight.new_zeros(zeros.shape)) if self.kind == "LSTM" else zeros


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def model_language(kind, tied):
    words = TEXT.split()
    index = {word: i for i, word in enumerate(dict.fromkeys(words))}
    ids = torch.tensor([index[word] for word in words]).type(torch.int64)
    data = ids.narrow(0, 0, len(ids) // 4 * 4).view(4, -1).t().contiguous()
    model, lr = RNNModel(kind, len(index), 24, 2, tied), 2.0
    for epoch in range(4):
        total, hidden = 0.0, model.init_hidden(4)
        for i in range(0, data.size(0) - 1, 6):
            length = min(6, len(data) - 1 - i)
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(data[i : i + length], hidden)
            loss = F.nll_loss(output, data[i + 1 : i + 1 + length].view(-1))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-lr)
            total += loss.item() * length
        mean = total / (len(data) - 1)
        print(f"{kind} epoch {epoch} loss {mean:.3f} ppl {math.exp(mean):.2f}")


torch.manual_seed(5)
continue_waves()
model_language("LSTM", tied=True)
model_language("GRU", tied=False)
