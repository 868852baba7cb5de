"""Real digits: the sample that ships with Plait."""

from importlib.resources import files

import numpy as np


def digits(flat: bool = False):
    """((x, y), (x_test, y_test)): 4,000 and 1,000 images in 0..1, (n, 28, 28, 1) or (n, 784)."""
    sample = np.load(files("plait.vision.datasets") / "samples" / "mnist5k.npz")
    images, labels = sample["images"].astype("float32") / 255, sample["labels"].astype("int64")
    images = images.reshape(-1, 784) if flat else images[..., None]
    return (images[:4000], labels[:4000]), (images[4000:], labels[4000:])
