"""Data sets of images under torchvision's names, reading the same files from the same folders."""

from plait.vision.datasets.fakedata import FakeData
from plait.vision.datasets.mnist import MNIST, FashionMNIST
from plait.vision.datasets.vision import VisionDataset

__all__ = ["MNIST", "FakeData", "FashionMNIST", "VisionDataset"]
