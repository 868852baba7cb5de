"""A character model with LSTM and GRU, hidden state carried over and cut with detach."""

import torch
import torch.nn as nn

torch.manual_seed(3)
text = "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. " * 6
chars = sorted(set(text))
char2idx = {c: i for i, c in enumerate(chars)}
data = torch.tensor([char2idx[c] for c in text], dtype=torch.long)


class CharRNN(nn.Module):
    def __init__(self, vocab, hidden, layers=2, cell="lstm"):
        super().__init__()
        self.encoder = nn.Embedding(vocab, hidden)
        self.rnn = (nn.LSTM if cell == "lstm" else nn.GRU)(hidden, hidden, layers, batch_first=True)
        self.decoder = nn.Linear(hidden, vocab)
        self.hidden, self.layers, self.cell = hidden, layers, cell

    def forward(self, x, h):
        o, h = self.rnn(self.encoder(x), h)
        return self.decoder(o.contiguous().view(-1, self.hidden)), h

    def init_hidden(self, b):
        weight = next(self.parameters())
        if self.cell == "lstm":
            return (
                weight.new_zeros(self.layers, b, self.hidden),
                weight.new_zeros(self.layers, b, self.hidden),
            )
        return weight.new_zeros(self.layers, b, self.hidden)


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).contiguous()


for cell in "lstm", "gru":
    model = CharRNN(len(chars), 24, cell=cell)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batches = batchify(data, 4)
    for epoch in range(4):
        hidden = model.init_hidden(4)
        total = 0.0
        for i in range(0, batches.size(1) - 1, 16):
            seq = min(16, batches.size(1) - 1 - i)
            x, y = batches[:, i : i + seq], batches[:, i + 1 : i + 1 + seq]
            hidden = repackage_hidden(hidden)
            model.zero_grad()
            out, hidden = model(x, hidden)
            loss = criterion(out, y.reshape(-1))
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            total += loss.item() * seq
        print(f"| epoch {epoch:3d} | loss {total / batches.size(1):5.3f} | norm {norm:5.3f}")
    model.eval()
    with torch.no_grad():
        h = model.init_hidden(1)
        inp = torch.tensor([[char2idx["t"]]])
        out_s = "t"
        for _ in range(20):
            o, h = model(inp, h)
            w = o.squeeze().div(0.8).exp().cpu()
            ci = torch.multinomial(w, 1)[0]
            inp.fill_(ci)
            out_s += chars[ci]
        print(repr(out_s))
