"""Data sets of images under torchvision's names, reading the same files from the same folders."""

from plait._unbuilt import unbuilt
from plait.vision.datasets.cifar import CIFAR10, CIFAR100
from plait.vision.datasets.coco import CocoCaptions, CocoDetection
from plait.vision.datasets.fakedata import FakeData
from plait.vision.datasets.folder import DatasetFolder, ImageFolder
from plait.vision.datasets.mnist import MNIST, FashionMNIST
from plait.vision.datasets.mnist_kin import EMNIST, KMNIST
from plait.vision.datasets.stl10 import STL10
from plait.vision.datasets.svhn import SVHN
from plait.vision.datasets.usps import USPS
from plait.vision.datasets.vision import VisionDataset
from plait.vision.datasets.voc import VOCDetection, VOCSegmentation

__getattr__ = unbuilt(
    "torchvision.datasets",
    (
        "Caltech101",
        "Caltech256",
        "CelebA",
        "Cityscapes",
        "DTD",
        "EuroSAT",
        "FER2013",
        "FGVCAircraft",
        "Flickr30k",
        "Flickr8k",
        "Flowers102",
        "Food101",
        "GTSRB",
        "HMDB51",
        "ImageNet",
        "Imagenette",
        "Kinetics",
        "Kitti",
        "LFWPairs",
        "LFWPeople",
        "LSUN",
        "MovingMNIST",
        "Omniglot",
        "OxfordIIITPet",
        "PCAM",
        "PhotoTour",
        "Places365",
        "QMNIST",
        "SBDataset",
        "SBU",
        "SEMEION",
        "StanfordCars",
        "SUN397",
        "UCF101",
        "WIDERFace",
    ),
)
