"""Teacher and student see the same views, each at the size of its own encoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from distune.data.pixels.images import views


def picture(size: int) -> NDArray[np.uint8]:
    """Colour waves, the same at every size."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    waves = [np.sin(9 * x + 4 * y), np.cos(7 * y - 3 * x), np.sin(12 * x * y)]
    return np.stack([127.5 + 100 * wave for wave in waves]).astype(np.uint8)


def shrunk(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    plain = pixels.transpose(1, 2, 0).astype(np.float32)
    return cv2.resize(plain, (size, size), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)


@pytest.mark.parametrize("index", range(3))
def test_a_view_is_the_same_at_every_size(index: int) -> None:
    small, large = (views(picture(size), seed=5, index=index, count=4) for size in (64, 192))
    for view in range(4):
        apart = [np.abs(shrunk(large[view], 64) - small[other]).mean() for other in range(4)]
        assert apart[view] < 2.5
        assert min(apart[:view] + apart[view + 1 :]) > 3 * apart[view]
