"""Image to image: a U-Net's masks, a super-resolution network, a style that is carried over."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels + in_channels // 2, out_channels)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, channels, classes, bilinear=False):
        super().__init__()
        self.n_classes = classes
        self.inc = DoubleConv(channels, 8)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(16, 32))
        self.up1, self.up2 = Up(32, 16, bilinear), Up(16, 8, bilinear)
        self.outc = nn.Conv2d(8, classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        return self.outc(self.up2(self.up1(self.down2(x2), x2), x1))


class Blobs(Dataset):
    def __init__(self, count):
        y, x = torch.meshgrid(torch.arange(22.0), torch.arange(26.0), indexing="ij")
        center = torch.rand(count, 2, 1, 1) * 10 + 6
        self.masks = ((y - center[:, 0]) ** 2 + (x - center[:, 1]) ** 2 < 20).long()
        self.images = torch.rand(count, 3, 22, 26) * 0.5 + self.masks.unsqueeze(1) * 0.4

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index], "mask": self.masks[index]}


def dice_coeff(input, target, epsilon=1e-6):
    inter = 2 * (input * target).sum(dim=(-1, -2))
    sets = input.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    sets = torch.where(sets == 0, inter, sets)
    return ((inter + epsilon) / (sets + epsilon)).mean()


def segment(bilinear):
    net = UNet(3, 2, bilinear)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=1)
    loader = DataLoader(Blobs(12), batch_size=4, shuffle=True)
    for epoch in range(3):
        net.train()
        for batch in loader:
            images, masks = batch["image"].to(dtype=torch.float32), batch["mask"].to(torch.long)
            predicted = net(images)
            loss = F.cross_entropy(predicted, masks)
            hot = F.one_hot(masks, net.n_classes).permute(0, 3, 1, 2).float()
            loss = loss + 1 - dice_coeff(F.softmax(predicted, dim=1).float(), hot)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        scheduler.step(-loss.item())
        print(f"unet {epoch}: {loss.item():.3f} lr {optimizer.param_groups[0]['lr']:.0e}")


class SuperResolution(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(factor)
        nn.init.orthogonal_(self.conv1.weight, nn.init.calculate_gain("relu"))
        nn.init.orthogonal_(self.conv2.weight)

    def forward(self, x):
        return self.pixel_shuffle(self.conv2(self.relu(self.conv1(x))))


def enlarge():
    y, x = torch.meshgrid(torch.linspace(0, 6, 24), torch.linspace(0, 6, 24), indexing="ij")
    target = torch.stack([torch.sin(x * k + y) / 2 + 0.5 for k in range(1, 5)]).unsqueeze(1)
    small = F.interpolate(target, scale_factor=1 / 3, mode="bicubic", antialias=True)
    model, criterion = SuperResolution(3), nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(12):
        optimizer.zero_grad()
        loss = criterion(model(small), target)
        loss.backward()
        optimizer.step()
    print(f"super-resolution: {loss.item():.4f}")


def restyle():
    vgg = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
    ).eval()
    for parameter in vgg.parameters():
        parameter.requires_grad_(False)
    content, style = torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20) * 0.3
    target = content.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([target], max_iter=4)

    def features(x):
        found = []
        for name, layer in vgg._modules.items():
            x = layer(x)
            if name in ("1", "3", "6"):
                found.append(x)
        return found

    def closure():
        optimizer.zero_grad()
        total = 0
        for f1, f2, f3 in zip(features(target), features(content), features(style)):
            _, c, h, w = f1.size()
            g1, g3 = (f.view(c, h * w).mm(f.view(c, h * w).t()) for f in (f1, f3))
            total = (
                total + torch.mean((f1 - f2) ** 2) + 10 * torch.mean((g1 - g3) ** 2) / (c * h * w)
            )
        total.backward()
        return total

    for step in range(3):
        loss = optimizer.step(closure)
        print(f"style {step}: {loss.item():.4f}")


torch.manual_seed(3)
segment(bilinear=False)
segment(bilinear=True)
enlarge()
restyle()
