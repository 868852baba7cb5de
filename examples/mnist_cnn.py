"""Train a small convolutional network on handwritten digits.

A plain PyTorch program: nothing in it knows of Plait. Run it with

    plait run examples/mnist_cnn.py
    PLAIT_SAMPLE_DATA=1 plait run examples/mnist_cnn.py    # 5,000 real digits, no download

It writes the weights to out/mnist_cnn.pt, and the loss curve with some predicted digits to
out/mnist_cnn.png.
"""

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms


class Net(nn.Module):
    """Two convolutions with batch norm and pooling, two linear layers: about 52,000 weights."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.norm2 = nn.BatchNorm2d(16)
        self.dropout = nn.Dropout(0.4)
        self.fc1 = nn.Linear(16 * 7 * 7, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # (N, 8, 14, 14)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)  # (N, 16, 7, 7)
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Train a small CNN on MNIST digits.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train-digits", type=int, default=4000, help="digits to train on")
    parser.add_argument("--test-digits", type=int, default=1000, help="digits to test on")
    parser.add_argument("--data", default="data", help="folder of the data set")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the results")
    parser.add_argument("--no-picture", action="store_true", help="do without matplotlib")
    return parser.parse_args()


def load_digits(folder, train, count):
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    digits = datasets.MNIST(folder, train=train, download=True, transform=transform)
    return digits if len(digits) <= count else Subset(digits, range(count))


def progress(batches, title):
    """The batches, with a bar where tqdm is installed and a plain line otherwise."""
    try:
        from tqdm import tqdm
    except ImportError:
        return plain_progress(batches, title)
    return tqdm(batches, desc=title, leave=False)


def plain_progress(batches, title):
    started = time.perf_counter()
    for number, batch in enumerate(batches, start=1):
        yield batch
        if sys.stderr.isatty() or number == len(batches):
            seconds = time.perf_counter() - started
            print(
                f"\r{title}: batch {number}/{len(batches)}, {seconds:.0f} s",
                end="\n" if number == len(batches) else "",
                file=sys.stderr,
                flush=True,
            )


def train(model, loader, optimizer, epoch, losses):
    model.train()
    for images, labels in progress(loader, f"epoch {epoch}"):
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


def test(model, loader):
    """Mean loss and accuracy on the held-out digits."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            output = model(images)
            loss += F.nll_loss(output, labels, reduction="sum").item()
            correct += (output.argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return loss / count, correct / count


def draw(model, digits, losses, accuracy, path):
    """Loss curve beside the first held-out digits and what the model takes them for."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, columns = 4, 6
    images = torch.stack([digits[i][0] for i in range(rows * columns)])
    labels = [digits[i][1] for i in range(rows * columns)]
    with torch.no_grad():
        predicted = model(images).argmax(dim=1).tolist()

    figure = plt.figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    curve = left.subplots()
    curve.plot(losses, color="tab:blue", linewidth=0.6, alpha=0.5, label="each batch")
    window = max(1, len(losses) // 20)
    means = [
        sum(losses[max(0, i - window + 1) : i + 1]) / (i + 1 - max(0, i - window + 1))
        for i in range(len(losses))
    ]
    curve.plot(means, color="tab:blue", label=f"mean of {window} batches")
    curve.set(xlabel="training step", ylabel="loss", ylim=(0, None), title="Training loss")
    curve.legend()
    right.suptitle(f"Held-out digits and predictions (accuracy {accuracy:.1%})")
    cells = right.subplots(rows, columns).flat
    for cell, image, label, guess in zip(cells, images, labels, predicted):
        cell.imshow(image[0].numpy(), cmap="gray_r")
        cell.set_title(str(guess), color="tab:green" if guess == label else "tab:red")
        cell.axis("off")
    figure.savefig(path, dpi=120)


def main():
    arguments = parse_arguments()
    if not arguments.no_picture and importlib.util.find_spec("matplotlib") is None:
        sys.exit("The picture needs matplotlib: pip install 'plait[plot]', or give --no-picture.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)

    training = load_digits(arguments.data, True, arguments.train_digits)
    held_out = load_digits(arguments.data, False, arguments.test_digits)
    train_loader = DataLoader(training, batch_size=arguments.batch_size, shuffle=True)
    test_loader = DataLoader(held_out, batch_size=500)

    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=arguments.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    losses = []
    started = time.perf_counter()
    for epoch in range(1, arguments.epochs + 1):
        train(model, train_loader, optimizer, epoch, losses)
        scheduler.step()
        test_loss, accuracy = test(model, test_loader)
        print(
            f"epoch {epoch}/{arguments.epochs}: training loss {losses[-1]:.4f}, "
            f"test loss {test_loss:.4f}, test accuracy {accuracy:.2%}",
            flush=True,
        )
    print(f"{arguments.epochs} epochs in {time.perf_counter() - started:.1f} s")

    weights = arguments.out / "mnist_cnn.pt"
    torch.save(model.state_dict(), weights)
    print(f"weights: {weights}")
    if not arguments.no_picture:
        picture = arguments.out / "mnist_cnn.png"
        draw(model, held_out, losses, accuracy, picture)
        print(f"picture: {picture}")


if __name__ == "__main__":
    main()
