"""ResNet (arXiv:1512.03385), ResNeXt (arXiv:1611.05431) and wide ResNet (arXiv:1605.07146)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet, settle
from plait.vision.models._utils import reset_norm

Norm = Callable[..., nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride, dilation, dilation=dilation, groups=groups, bias=False
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution."""
    return nn.Conv2d(in_planes, out_planes, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise error(ValueError, "BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise error(NotImplementedError, "Dilation > 1 not supported in BasicBlock")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the stride is in the 3x3 one."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + shortcut)


class ResNet(nn.Module):
    """(N, 3, H, W) to (N, num_classes).

    Args:
        block: `BasicBlock` or `Bottleneck`, or a class with their signature and `expansion`.
        layers: the numbers of blocks of the four stages.
        zero_init_residual: begin with blocks that pass their input on.
        groups, width_per_group: of the 3x3 convolutions of bottlenecks.
        replace_stride_with_dilation: for each of the last three stages, whether it keeps the
            resolution and widens its kernels instead.
        norm_layer: made of the number of channels; BatchNorm2d if None.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise error(
                ValueError,
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}",
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialize(zero_init_residual)

    def _initialize(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                reset_norm(module)
        if zero_init_residual:
            for module in self.modules():
                last = {Bottleneck: "bn3", BasicBlock: "bn2"}.get(type(module))
                if last is not None and getattr(module, last).weight is not None:
                    nn.init.zeros_(getattr(module, last).weight)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        """A stage: its first block changes resolution and width, the others keep them."""
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, width, stride), self._norm_layer(width)
            )
        shared: Any = {
            "groups": self.groups,
            "base_width": self.base_width,
            "norm_layer": self._norm_layer,
        }
        first = block(self.inplanes, planes, stride, downsample, dilation=first_dilation, **shared)
        self.inplanes = width
        others = [block(width, planes, dilation=self.dilation, **shared) for _ in range(1, blocks)]
        return nn.Sequential(first, *others)

    def _forward_impl(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))

    def forward(self, x: Any) -> Any:
        return self._forward_impl(x)


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet18-f37072fd.pth", 11_689_512)
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet34-b627a593.pth", 21_797_672)
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet50-0676ba61.pth", 25_557_032)
    IMAGENET1K_V2 = imagenet("resnet50-11ad3fa6.pth", 25_557_032, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet101-63fe2227.pth", 44_549_160)
    IMAGENET1K_V2 = imagenet("resnet101-cd907fc2.pth", 44_549_160, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnet152-394f9c45.pth", 60_192_808)
    IMAGENET1K_V2 = imagenet("resnet152-f82ba261.pth", 60_192_808, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnext50_32x4d-7cdf4587.pth", 25_028_904)
    IMAGENET1K_V2 = imagenet("resnext50_32x4d-1a0047aa.pth", 25_028_904, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnext101_32x8d-8ba56ff5.pth", 88_791_336)
    IMAGENET1K_V2 = imagenet("resnext101_32x8d-110c445d.pth", 88_791_336, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("resnext101_64x4d-173b62eb.pth", 83_455_272, resize_size=232)
    DEFAULT = IMAGENET1K_V1


class Wide_ResNet50_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("wide_resnet50_2-95faca4d.pth", 68_883_240)
    IMAGENET1K_V2 = imagenet("wide_resnet50_2-9ba9bcbe.pth", 68_883_240, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("wide_resnet101_2-32ee1156.pth", 126_886_696)
    IMAGENET1K_V2 = imagenet("wide_resnet101_2-d733dc28.pth", 126_886_696, resize_size=232)
    DEFAULT = IMAGENET1K_V2


def _resnet(
    block: type[BasicBlock | Bottleneck],
    layers: Sequence[int],
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> ResNet:
    def make(**arguments: Any) -> ResNet:
        return ResNet(block, layers, **arguments)

    return assemble(make, weights, progress, options)


@builder(ResNet18_Weights)
def resnet18(
    *, weights: ResNet18_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-18; `kwargs` are `ResNet`'s."""
    return _resnet(BasicBlock, (2, 2, 2, 2), weights, progress, kwargs)


@builder(ResNet34_Weights)
def resnet34(
    *, weights: ResNet34_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-34; `kwargs` are `ResNet`'s."""
    return _resnet(BasicBlock, (3, 4, 6, 3), weights, progress, kwargs)


@builder(ResNet50_Weights)
def resnet50(
    *, weights: ResNet50_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-50; `kwargs` are `ResNet`'s."""
    return _resnet(Bottleneck, (3, 4, 6, 3), weights, progress, kwargs)


@builder(ResNet101_Weights)
def resnet101(
    *, weights: ResNet101_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-101; `kwargs` are `ResNet`'s."""
    return _resnet(Bottleneck, (3, 4, 23, 3), weights, progress, kwargs)


@builder(ResNet152_Weights)
def resnet152(
    *, weights: ResNet152_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-152; `kwargs` are `ResNet`'s."""
    return _resnet(Bottleneck, (3, 8, 36, 3), weights, progress, kwargs)


@builder(ResNeXt50_32X4D_Weights)
def resnext50_32x4d(
    *, weights: ResNeXt50_32X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-50 of 32 groups 4 wide; `kwargs` are `ResNet`'s."""
    settle(kwargs, "groups", 32)
    settle(kwargs, "width_per_group", 4)
    return _resnet(Bottleneck, (3, 4, 6, 3), weights, progress, kwargs)


@builder(ResNeXt101_32X8D_Weights)
def resnext101_32x8d(
    *, weights: ResNeXt101_32X8D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 of 32 groups 8 wide; `kwargs` are `ResNet`'s."""
    settle(kwargs, "groups", 32)
    settle(kwargs, "width_per_group", 8)
    return _resnet(Bottleneck, (3, 4, 23, 3), weights, progress, kwargs)


@builder(ResNeXt101_64X4D_Weights)
def resnext101_64x4d(
    *, weights: ResNeXt101_64X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 of 64 groups 4 wide; `kwargs` are `ResNet`'s."""
    settle(kwargs, "groups", 64)
    settle(kwargs, "width_per_group", 4)
    return _resnet(Bottleneck, (3, 4, 23, 3), weights, progress, kwargs)


@builder(Wide_ResNet50_2_Weights)
def wide_resnet50_2(
    *, weights: Wide_ResNet50_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-50 with inner convolutions twice as wide; `kwargs` are `ResNet`'s."""
    settle(kwargs, "width_per_group", 128)
    return _resnet(Bottleneck, (3, 4, 6, 3), weights, progress, kwargs)


@builder(Wide_ResNet101_2_Weights)
def wide_resnet101_2(
    *, weights: Wide_ResNet101_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNet-101 with inner convolutions twice as wide; `kwargs` are `ResNet`'s."""
    settle(kwargs, "width_per_group", 128)
    return _resnet(Bottleneck, (3, 4, 23, 3), weights, progress, kwargs)
