from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distune.data.pixels.images import decode, decode_all, read_pixels, views
from distune.errors import UserError


def smooth(height: int, width: int) -> np.ndarray:
    """Colour pixels that vary slowly and differently along each axis and channel."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1).astype(
        np.uint8
    )


def pillow(path: Path, size: int) -> np.ndarray:
    """What Pillow makes of the file, averaged over areas where it shrinks."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size, size), Image.Resampling.BOX)
    return np.asarray(resized).transpose(2, 0, 1)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
def test_lossless_formats_equal_pillow(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(smooth(64, 96)).convert(mode).save(path)
    got = decode(path, 32)
    assert got.dtype == np.uint8
    assert got.shape == (3, 32, 32)
    assert np.abs(got.astype(int) - pillow(path, 32)).max() <= 1


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "RGB"), ("jpg", "L"), ("jpg", "CMYK"), ("webp", "RGB")])
def test_lossy_formats_nearly_equal_pillow(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(smooth(64, 96)).convert(mode).save(path, quality=95)
    assert np.abs(decode(path, 32).astype(int) - pillow(path, 32)).max() <= 6


def test_the_order_of_channels_is_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (250, 120, 10)).save(tmp_path / "image.png")
    assert decode(tmp_path / "image.png", 4)[:, 0, 0].tolist() == [250, 120, 10]


def test_a_wide_picture_is_squashed_whole(tmp_path: Path) -> None:
    pixels = np.zeros((8, 32), dtype=np.uint8)
    pixels[:, 16:] = 200
    Image.fromarray(pixels).save(tmp_path / "image.png")
    got = decode(tmp_path / "image.png", 8)
    assert (got[:, :, :4] == 0).all()
    assert (got[:, :, 4:] == 200).all()


def test_enlarging_interpolates(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 200]], dtype=np.uint8)).save(tmp_path / "image.png")
    row = decode(tmp_path / "image.png", 8)[0, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 200
    assert (np.diff(row) >= 0).all()
    assert len(set(row.tolist())) > 3


def test_twelve_bits_in_sixteen_use_the_whole_range(tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "image.png")
    got = decode(tmp_path / "image.png", 16)[0]
    assert np.abs(got.astype(int) - np.arange(256).reshape(16, 16)).max() <= 1


def test_negative_float_and_constant_deep_images(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-1000.0, 0.0], [1000.0, np.nan]], dtype=np.float32)).save(tmp_path / "a.tiff")
    assert decode(tmp_path / "a.tiff", 2)[0].tolist() == [[0, 128], [255, 0]]
    Image.fromarray(np.full((2, 2), 700, dtype=np.uint16)).save(tmp_path / "b.png")
    assert (decode(tmp_path / "b.png", 2) == 0).all()


def test_colours_under_transparency_stay_hidden(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), (200, 100, 50, 255), dtype=np.uint8)
    pixels[0, 0, 3] = 0
    pixels[0, 1, 3] = 128
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    got = decode(tmp_path / "rgba.png", 2)
    assert got[:, 0, 0].tolist() == [0, 0, 0]
    assert got[:, 0, 1].tolist() == [100, 50, 25]
    assert got[:, 1, 1].tolist() == [200, 100, 50]
    Image.fromarray(pixels[..., 2:]).save(tmp_path / "la.png")
    assert decode(tmp_path / "la.png", 2)[:, 0].tolist() == [[0, 25]] * 3
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert read_pixels(tmp_path / "p.png").tolist() == [[[0, 0, 0], [0, 255, 0]]]


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    upright = smooth(40, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, clockwise
    Image.fromarray(np.rot90(upright)).save(tmp_path / "photo.jpg", exif=exif, quality=98, subsampling=0)
    got = decode(tmp_path / "photo.jpg", 40).transpose(1, 2, 0)
    assert np.abs(got.astype(int) - upright).mean() < 4


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.png: .*not an image"):
        decode(path, 8)
    with pytest.raises(UserError, match=r"none\.png: .*No such file"):
        decode(tmp_path / "none.png", 8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path)
    read_pixels(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"a\.{suffix}: damaged"):
        read_pixels(path)


def test_decode_all_writes_every_image_to_its_place(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(30)]
    for number, path in enumerate(paths):
        Image.new("L", (9, 7), number).save(path)
    mapped = np.memmap(tmp_path / "pixels", dtype=np.uint8, mode="w+", shape=(30, 3, 8, 8))
    assert decode_all(paths, 8, out=mapped, threads=3) is mapped
    assert np.array_equal(mapped, np.broadcast_to(np.arange(30)[:, None, None, None], (30, 3, 8, 8)))
    assert np.array_equal(decode_all(paths, 8), mapped)
    (tmp_path / "7.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"7\.png"):
        decode_all(paths, 8)
    with pytest.raises(ValueError, match=r"not uint8 \(30, 3, 9, 9\)"):
        decode_all(paths, 9, out=mapped)
    for odd in (np.empty((len(paths), 3, 8, 8), np.int16), np.empty((len(paths) + 1, 3, 8, 8), np.uint8)):
        with pytest.raises(ValueError, match="out is"):
            decode_all(paths, 8, out=odd)  # type: ignore[arg-type]


class TestViews:
    def pixels(self) -> np.ndarray:
        return np.ascontiguousarray(smooth(48, 48).transpose(2, 0, 1))

    def test_the_first_is_plain_and_the_others_differ(self) -> None:
        made = views(self.pixels(), seed=1, index=5, count=6)
        assert made.shape == (6, 3, 48, 48)
        assert made.dtype == np.uint8
        assert np.array_equal(made[0], self.pixels())
        assert len({view.tobytes() for view in made}) == 6

    def test_seed_index_and_view_decide_and_the_count_does_not(self) -> None:
        made = views(self.pixels(), seed=1, index=5, count=6)
        assert np.array_equal(views(self.pixels(), seed=1, index=5, count=3), made[:3])
        assert not np.array_equal(views(self.pixels(), seed=2, index=5, count=6)[1], made[1])
        neighbour = views(self.pixels(), seed=1, index=6, count=6)
        assert not {view.tobytes() for view in neighbour[1:]} & {view.tobytes() for view in made[1:]}

    def test_no_view_is_mirrored_or_far_from_the_picture(self) -> None:
        plain = self.pixels().astype(float)
        for view in views(self.pixels(), seed=3, index=0, count=64):
            near = np.abs(view - plain).mean()
            assert near < 40
            assert near < np.abs(view[:, :, ::-1] - plain).mean()

    def test_the_border_is_continued_and_not_black(self) -> None:
        bright = np.full((3, 32, 32), 180, dtype=np.uint8)
        assert views(bright, seed=0, index=0, count=32).min() > 140

    def test_a_point_moves_by_rotation_shift_and_scale_only_as_far_as_promised(self) -> None:
        pixels = np.zeros((3, 101, 101), dtype=np.uint8)
        pixels[:, 48:53, 48:53] = 255
        far = []
        for view in views(pixels, seed=0, index=0, count=64)[1:]:
            y, x = np.nonzero(view[0] > 100)
            far.append(max(abs(y.mean() - 50), abs(x.mean() - 50)))
        assert max(far) <= 0.06 * 101 + 0.7
        assert max(far) > 4
