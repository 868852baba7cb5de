"""`FakeData`: random images with random classes, for trying things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.datasets.vision import VisionDataset
from plait.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """`size` random images of shape `image_size` (C, H, W), the same at each access.

    The image and the class at an index are drawn from the generator seeded with the index plus
    `random_offset`; the program's own random state is as before afterwards.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A Pillow image and an int, each after its transform; IndexError beyond `size`."""
        if index >= len(self):
            raise error(IndexError, f"{type(self).__name__} index out of range")
        state = plait.get_rng_state()
        plait.manual_seed(index + self.random_offset)
        image = plait.randn(*self.image_size)
        target: Any = plait.randint(0, self.num_classes, size=(1,), dtype=plait.long)[0]
        plait.set_rng_state(state)

        picture = to_pil_image(image)
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target.item() if isinstance(target, plait.Tensor) else target

    def __len__(self) -> int:
        return self.size
