"""The models against what torchvision said of its own: names, shapes, initial weights, outputs."""

import json
import pickle

import numpy as np
import pytest

import plait
from plait import nn
from plait.vision import models
from tests.vision.make_model_expectations import (
    PATH,
    RUN,
    SMALL_SIDE,
    digest,
    images,
    options,
    outputs,
    small_models,
)

EXPECTED = json.loads(PATH.read_text())
BUILT = models.list_models()
SMALL = small_models(models)
PUBLISHED = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "efficientnet_b0": 5_288_548,
    "inception_v3": 27_161_264,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "squeezenet1_0": 1_248_424,
    "swin_t": 28_288_354,
    "vgg16": 138_357_544,
    "vit_b_16": 86_567_656,
}
pytestmark = pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")


@pytest.fixture
def unfilled(monkeypatch):
    """Parameters are not drawn: for tests that ask only for names and shapes of large models."""
    for name in ("normal_", "uniform_", "fill_", "zero_", "erfinv_"):
        monkeypatch.setattr(plait.Tensor, name, lambda self, *args, **kwargs: self)


@pytest.mark.parametrize("name", [name for name in BUILT if name in EXPECTED])
def test_names_and_shapes(name, unfilled):
    model = models.get_model(name, **options(name))
    assert sum(p.numel() for p in model.parameters()) == EXPECTED[name]["parameters"]
    assert digest(model.state_dict()) == EXPECTED[name]["state"]


def test_published_counts_are_those_expected():
    assert {name: EXPECTED[name]["parameters"] for name in PUBLISHED} == PUBLISHED
    assert set(PUBLISHED) <= set(BUILT)


@pytest.mark.parametrize("name", [*(name for name in RUN if name in BUILT), *SMALL])
def test_outputs_of_the_seeded_model(name):
    plait.manual_seed(0)
    model = SMALL[name]() if name in SMALL else models.get_model(name, **options(name))
    with plait.no_grad():
        found = outputs(model, plait.from_numpy(images(RUN.get(name, SMALL_SIDE))))
    expected = np.array(EXPECTED[name]["outputs"])
    # Float32 through up to 200 layers: some hundred roundings of 6e-8, relative to the largest.
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def tiny_models():
    """Small relatives of the models, with the images they take."""
    from plait.vision.models.convnext import CNBlockConfig, ConvNeXt
    from plait.vision.models.densenet import DenseNet
    from plait.vision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig
    from plait.vision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
    from plait.vision.models.regnet import BlockParams, RegNet
    from plait.vision.models.resnet import BasicBlock, Bottleneck, ResNet
    from plait.vision.models.swin_transformer import SwinTransformer, SwinTransformerBlockV2
    from plait.vision.models.vgg import make_layers
    from plait.vision.models.vision_transformer import VisionTransformer

    swin = {"patch_size": [2, 2], "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2]}
    swin["stochastic_depth_prob"] = 0.0
    rows = [
        InvertedResidualConfig(8, 3, 16, 8, True, "RE", 1, 1, 1.0),
        InvertedResidualConfig(8, 5, 16, 16, False, "HS", 2, 1, 1.0),
    ]
    stages = [FusedMBConvConfig(2, 3, 1, 8, 8, 1), MBConvConfig(2, 3, 2, 8, 16, 2)]
    return {
        "resnet": lambda: ResNet(BasicBlock, [1, 1, 1, 1], 4),
        "bottleneck": lambda: ResNet(Bottleneck, [1, 1, 1, 1], 4, zero_init_residual=True),
        "vgg": lambda: nn.Sequential(
            make_layers([8, "M", 16], True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)
        ),
        "densenet": lambda: DenseNet(4, (2, 2), 8, num_classes=4),
        "densenet, frugal": lambda: DenseNet(4, (2, 2), 8, num_classes=4, memory_efficient=True),
        "mobilenet": lambda: models.MobileNetV2(4, 0.25, [[2, 16, 2, 2]], dropout=0.0),
        "mobilenet v3": lambda: MobileNetV3(rows, 16, 4, dropout=0.0),
        "efficientnet": lambda: EfficientNet(stages, 0.0, 0.0, 4, last_channel=32),
        "squeezenet": lambda: models.SqueezeNet("1_1", 4, dropout=0.0),
        "vit": lambda: VisionTransformer(16, 4, 2, 2, 16, 32, num_classes=4),
        "convnext": lambda: ConvNeXt(
            [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], layer_scale=0.5, num_classes=4
        ),
        "regnet": lambda: RegNet(BlockParams([1, 2], [8, 16], [8, 8], 1.0, 0.25), 4),
        "shufflenet": lambda: models.ShuffleNetV2([2, 2, 2], [8, 16, 32, 64, 32], 4),
        "mnasnet": lambda: models.MNASNet(0.1, 4, dropout=0.0),
        "swin": lambda: SwinTransformer(**swin, window_size=[3, 3], num_classes=4),
        "swin v2": lambda: SwinTransformer(
            **swin, window_size=[4, 4], num_classes=4, block=SwinTransformerBlockV2
        ),
    }


SIDE_OF = {"vgg": 8, "vit": 16, "swin": 20, "squeezenet": 64}


@pytest.mark.parametrize("name", tiny_models())
def test_a_step_lowers_the_loss_and_the_state_round_trips(name):
    plait.manual_seed(0)
    make = tiny_models()[name]
    model = make().double()  # a small step's gain is seen
    side = SIDE_OF.get(name, 32)
    x, y = plait.randn(4, 3, side, side).double(), plait.tensor([0, 1, 2, 3])
    optimizer = plait.optim.SGD(model.parameters(), lr=1e-4)

    def loss():
        return nn.functional.cross_entropy(model(x), y)

    before = loss()
    before.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert missing == []
    optimizer.step()
    assert loss().item() < before.item()

    twin = make().double()
    twin.load_state_dict(pickle.loads(pickle.dumps(model.state_dict())))
    assert plait.equal(twin.eval()(x), model.eval()(x))


def test_auxiliary_classifiers_while_training():
    google = models.googlenet(num_classes=5, init_weights=False)
    out = google(plait.randn(2, 3, 32, 32))
    assert type(out).__name__ == "GoogLeNetOutputs"
    assert [part.shape for part in out] == [(2, 5)] * 3
    assert google.eval()(plait.randn(2, 3, 32, 32)).shape == (2, 5)
    inception = models.inception_v3(num_classes=5, init_weights=False, transform_input=True)
    out = inception(plait.randn(2, 3, 299, 299))
    assert (out.logits.shape, out.aux_logits.shape) == ((2, 5), (2, 5))
    bare = models.inception_v3(aux_logits=False, init_weights=False)
    assert not any(key.startswith("AuxLogits") for key in bare.state_dict())


def test_segmentation_gives_each_pixel_a_class():
    build = models.segmentation.deeplabv3_mobilenet_v3_large
    net = build(weights_backbone=None, num_classes=3, aux_loss=True)
    out = net(plait.randn(2, 3, 40, 32))
    assert list(out) == ["out", "aux"]
    assert [value.shape for value in out.values()] == [(2, 3, 40, 32)] * 2


def test_weights_that_are_not_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    where = str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    for arguments in ({"weights": "DEFAULT"}, {"weights": models.ResNet18_Weights.IMAGENET1K_V1}):
        with pytest.raises(RuntimeError, match="would have to be downloaded") as caught:
            models.resnet18(**arguments)
        assert where in str(caught.value)
    with (
        pytest.warns(UserWarning, match="'pretrained' is deprecated"),
        pytest.raises(RuntimeError, match="would have to be downloaded"),
    ):
        models.resnet18(pretrained=True)
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"):
        assert models.squeezenet1_1(pretrained=False).num_classes == 1000
    with pytest.raises(ValueError, match="expected value 1000 but got 10"):
        models.resnet18(weights="DEFAULT", num_classes=10)
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet34_Weights"):
        models.resnet18(weights=models.ResNet34_Weights.DEFAULT)
    with pytest.raises(RuntimeError, match=r"resnet50-0676ba61\.pth"):
        models.segmentation.fcn_resnet50()  # whose backbone is trained by default


def test_weights_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    plait.manual_seed(0)
    trained = models.squeezenet1_1()
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    plait.save(trained.state_dict(), folder / weights.url.rpartition("/")[2])
    state = weights.get_state_dict()
    assert plait.equal(state["features.0.weight"], trained.features[0].weight)
    # What lies in the cache is taken as it is, as PyTorch does: programs put files of theirs there.
    loaded = models.squeezenet1_1(weights="SqueezeNet1_1_Weights.IMAGENET1K_V1")
    x = plait.randn(1, 3, 64, 64)
    assert plait.equal(loaded.eval()(x), trained.eval()(x))


def test_old_names_in_the_files_of_densenets(monkeypatch):
    plait.manual_seed(0)
    state = models.densenet121().state_dict()
    old = {}
    for key, value in state.items():
        for part in ("norm1.", "norm2.", "conv1.", "conv2."):
            if "denselayer" in key:
                key = key.replace(part, f"{part[:4]}.{part[4:]}")
        old[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    monkeypatch.setattr(
        "plait.vision.models._api.load_state_dict_from_url", lambda url, **kwargs: old
    )
    loaded = models.densenet121(weights="DEFAULT").state_dict()
    assert all(plait.equal(loaded[key], state[key]) for key in state)


def test_the_registry():
    assert models.get_model_builder("resnet18") is models.resnet18
    assert isinstance(models.get_model("squeezenet1_1", num_classes=3), models.SqueezeNet)
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is models.ResNet50_Weights.DEFAULT
    assert models.get_model_weights(models.vgg16) is models.VGG16_Weights
    assert "fcn_resnet50" in models.list_models(models.segmentation)
    assert "fcn_resnet50" not in models.list_models(models)
    assert models.list_models(include="vgg1?", exclude=["*1", "*3"]) == ["vgg16", "vgg19"]
    with pytest.raises(ValueError, match="Unknown model nonet"):
        models.get_model("nonet")
    with pytest.raises(ValueError, match="The weight"):
        models.get_weight("ResNet50_Weights.IMAGENET1K_V9")


def test_transforms_of_weights():
    from PIL import Image

    preset = models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert preset.resize_size == [232]
    picture = Image.fromarray(np.full((300, 400, 3), 128, np.uint8))
    out = preset(picture)
    assert out.shape == (3, 224, 224)
    expected = (128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(out[:, 0, 0].numpy(), expected, rtol=1e-5)
    whole = models.segmentation.FCN_ResNet50_Weights.DEFAULT.transforms()
    assert whole(picture).shape == (3, 520, 693)


def test_resized_position_embeddings():
    from plait.vision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    def make(side):
        return VisionTransformer(side, 4, 1, 2, 8, 16, num_classes=2)

    state = interpolate_embeddings(24, 4, make(16).state_dict(), reset_heads=True)
    assert state["encoder.pos_embedding"].shape == (1, 37, 8)
    missing, unexpected = make(24).load_state_dict(state, strict=False)
    assert (sorted(missing), unexpected) == (["heads.head.bias", "heads.head.weight"], [])
    with pytest.raises(RuntimeError, match="Wrong image height! Expected 16 but got 24!"):
        make(16)(plait.zeros(1, 3, 24, 24))


def test_intermediate_layers():
    from plait.vision.models._utils import IntermediateLayerGetter

    net = models.resnet18()
    part = IntermediateLayerGetter(net, {"layer1": "low", "layer3": "high"})
    assert "layer4" not in dict(part.named_children())
    out = part(plait.zeros(1, 3, 64, 64))
    assert {name: value.shape for name, value in out.items()} == {
        "low": (1, 64, 16, 16),
        "high": (1, 256, 4, 4),
    }
    with pytest.raises(ValueError, match="not present in model"):
        IntermediateLayerGetter(net, {"layer9": "x"})
