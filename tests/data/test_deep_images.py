"""Pixels of more than 8 bits, transparency, and the orientation of cameras, on files made for each."""

from __future__ import annotations

import struct
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from distune.data.pixels.images import decode, is_deep, pixels_of, read_pixels, reading_rule
from distune.data.pixels.intensity import PixelRules, eight_bit, scaled, windowed
from distune.data.pixels.orientation import turned
from distune.errors import UserError
from distune.prediction.example_pixels import array_of, encoder_pixels

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6


def deep_png(path: Path, pixels: np.ndarray) -> Path:
    """A PNG of 16 bits a value, written by hand because Pillow has no such modes."""
    kind = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}[1 if pixels.ndim == 2 else pixels.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    )
    return path


def deep_tiff(path: Path, pixels: np.ndarray) -> Path:
    """A TIFF of 16 bits a value, uncompressed; the last of two or four channels is opacity."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    body = pixels.astype("<u2").tobytes()
    short, long, start = 3, 4, 8 + pixels.size * 2
    tags = [
        (256, short, width), (257, short, height), (258, short, 16), (259, short, 1), (262, short, 1 + (channels > 2)),
        (273, long, 8), (277, short, channels), (278, short, height), (279, long, len(body)), (284, short, 1),
        *([(338, short, 2)] if channels in (2, 4) else []),
    ]  # fmt: skip
    depths = start + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    one_depth = struct.pack("<HHII", 258, short, 1, 16)
    pair = struct.pack("<HHI", 258, short, channels) + struct.pack("<HH", 16, 16)
    several = struct.pack("<HHII", 258, short, channels, depths)
    entries = entries.replace(one_depth, [one_depth, pair, several, several][channels - 1])
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, start) + body + struct.pack("<H", len(tags)) + entries + bytes(4)
        + struct.pack(f"<{channels}H", *[16] * channels)
    )  # fmt: skip
    return path


DEEP = {"png": deep_png, "tiff": deep_tiff}


def ramp(side: int = 64, top: int = 4095) -> np.ndarray:
    return np.linspace(0, top, side * side).reshape(side, side).astype(np.uint16)


@pytest.mark.parametrize("form", DEEP)
def test_a_saturated_pixel_darkens_no_scan(tmp_path: Path, form: str) -> None:
    plain, broken = ramp(), ramp()
    broken[5, 5:10] = 65535
    got = read_pixels(DEEP[form](tmp_path / "broken", broken)).astype(int)
    assert np.abs(np.delete(got.ravel(), 5 * 64 + np.arange(5, 10))
                  - np.delete(scaled(plain).astype(int).ravel(), 5 * 64 + np.arange(5, 10))).max() <= 1  # fmt: skip
    assert got[5, 5] == 255


def test_the_percentiles_are_those_of_the_sorted_values() -> None:
    random = np.random.default_rng(0)
    for dtype in (np.uint16, np.int16, np.int32, np.float32):
        values = random.normal(1000, 300, (50, 40)).astype(dtype)
        ordered = np.sort(values.ravel())
        low, high = ordered[int(np.ceil(0.02 * 2000)) - 1], ordered[int(np.ceil(0.9 * 2000)) - 1]
        expected = np.clip(np.rint((values.astype(float) - low) * (255 / (float(high) - low))), 0, 255)
        got = scaled(values, PixelRules(percentiles=(2.0, 90.0)))
        assert np.abs(got - expected).max() == 0, dtype


def test_a_percentile_between_two_values_is_the_upper_one() -> None:
    """99.5 % of 150 values are 149.25 of them: the largest becomes white, and the one below does not."""
    shown = scaled(np.arange(150, dtype=np.uint16).reshape(10, 15)).ravel()
    assert shown[0] == 0 and shown[148:].tolist() == [253, 255]


def test_all_percentiles_are_the_whole_range_and_a_lone_bright_spot_is_still_seen() -> None:
    values = ramp(16)
    assert scaled(values, PixelRules(percentiles=(0, 100)))[[0, -1], [0, -1]].tolist() == [0, 255]
    dark = np.zeros((100, 100), np.uint16)
    dark[3, 4] = 900
    assert scaled(dark)[3, 4] == 255
    assert (scaled(np.full((4, 4), 7, np.uint16)) == 0).all()


@pytest.mark.parametrize("form", DEEP)
def test_grey_with_opacity_is_as_bright_as_grey(tmp_path: Path, form: str) -> None:
    write = DEEP[form]
    grey = ramp()
    opaque = np.dstack([grey, np.full_like(grey, 65535)])
    got = read_pixels(write(tmp_path / "la", opaque))
    assert got.ndim == 2
    assert np.array_equal(got, read_pixels(write(tmp_path / "l", grey)))
    half = opaque.copy()
    half[:32, :, 1] = 0
    half[:32, :, 0] = 60000  # hidden, so it does not count for the percentiles either
    got = read_pixels(write(tmp_path / "half", half))
    assert (got[:32] == 0).all()
    assert got[-1, -1] == 255


TURNED, DIFFERENCED = {274: 6}, {317: 2, 274: 7}
"""TIFF tags: turned by a quarter; and also with each value stored as what it differs by from its neighbour."""


@pytest.mark.parametrize(
    ("compression", "tags"),
    [
        *(
            (name, tags)
            for name in (None, "packbits", "tiff_lzw", "tiff_adobe_deflate")
            for tags in ({}, TURNED)
        ),
        ("tiff_lzw", DIFFERENCED),
        ("tiff_adobe_deflate", DIFFERENCED),
    ],
)
def test_tiff_of_grey_and_opacity_in_any_compression_hides_what_is_transparent(
    tmp_path: Path, compression: str | None, tags: dict[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 2), dtype=np.uint8)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.tiff", compression=compression, tiffinfo=tags)
    expected = np.rint(pixels[..., 0] * (pixels[..., 1] / np.float32(255))).astype(np.uint8)
    assert np.array_equal(read_pixels(tmp_path / "a.tiff")[..., 0], turned(expected, tags.get(274, 1)))


def test_a_damaged_tiff_of_grey_and_opacity_is_named(tmp_path: Path) -> None:
    path = deep_tiff(tmp_path / "a.tiff", np.dstack([ramp(), ramp()]))
    content = path.read_bytes()
    planes, width = (struct.pack("<HHII", tag, 3, 1, value) for tag, value in ((284, 1), (256, 64)))
    for entry, value in ((planes, 2), (width, 0), (width, 40_000)):
        assert content.count(entry) == 1
        path.write_bytes(content.replace(entry, entry[:8] + struct.pack("<I", value)))
        with pytest.raises(UserError, match=r"a\.tiff: .*(planes|decoded)"):
            read_pixels(path)


@pytest.mark.parametrize("compression", ["raw", "group4"])
def test_a_tiff_without_the_end_of_its_directory_is_named(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tiff"
    Image.fromarray(ramp() > 9).save(path, compression=compression)
    whole = path.read_bytes()
    read_pixels(path)
    for less in range(1, 7):
        path.write_bytes(whole[:-less])
        with pytest.raises(UserError, match=r"a\.tiff"):
            read_pixels(path)


def test_a_tiff_of_grey_and_opacity_that_was_cut_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.fromarray(np.zeros((9, 7, 2), np.uint8), "LA").save(path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"a\.tiff"):
            read_pixels(path)


@pytest.mark.parametrize("form", DEEP)
@pytest.mark.parametrize("opacity", [False, True])
def test_deep_colours_are_scaled_together_and_keep_their_hue(
    tmp_path: Path, form: str, opacity: bool
) -> None:
    grey = ramp().astype(np.uint16) // 2
    pixels = np.dstack([grey, grey // 2, grey // 4, *([np.full_like(grey, 65535)] if opacity else [])])
    got = decode(DEEP[form](tmp_path / "rgb", pixels), 64)
    assert got[0].max() >= 250
    middle = got[:, 48, 32].astype(float)
    assert middle[1] / middle[0] == pytest.approx(0.5, abs=0.02)
    assert middle[2] / middle[0] == pytest.approx(0.25, abs=0.02)


def test_a_window_shows_the_same_values_alike_in_every_file(tmp_path: Path) -> None:
    rules = PixelRules(window=(1000, 200))
    first = deep_png(tmp_path / "a.png", np.array([[900, 1000], [1100, 5000]], np.uint16))
    second = deep_png(tmp_path / "b.png", np.array([[0, 1000], [1050, 1100]], np.uint16))
    assert read_pixels(first, rules).tolist() == [[0, 128], [255, 255]]
    assert read_pixels(second, rules).tolist() == [[0, 128], [192, 255]]


def test_windows_are_those_of_the_standard() -> None:
    values = np.array([-1e9, 0.0, 1.0, 2.0, 3.0, 1e9])
    # PS3.3 C.11.2.1.2: x <= c - 0.5 - (w - 1) / 2 is black, x > c - 0.5 + (w - 1) / 2 is white
    assert windowed(values, (2, 4)).tolist() == [0, 0, 85, 170, 255, 255]
    assert windowed(values, (2, 1)).tolist() == [0, 0, 0, 255, 255, 255]
    assert windowed(values, (1.5, 3), "LINEAR_EXACT").tolist() == [0, 0, 85, 170, 255, 255]
    assert windowed(values, (1, 4), "SIGMOID").tolist() == [0, round(255 / (1 + np.e)), 128, 186, 225, 255]


def test_deep_tiff_is_scaled_too(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "deep.tiff")
    assert np.array_equal(read_pixels(tmp_path / "deep.tiff"), scaled(ramp()))


def test_images_of_eight_bits_know_neither_window_nor_percentiles(tmp_path: Path) -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_pixels(tmp_path / "a.png", PixelRules((40, 400))), pixels)
    assert np.array_equal(eight_bit(pixels, PixelRules(percentiles=(10, 20))), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg", "tiff"])
def test_pictures_are_turned_as_the_camera_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    from PIL import ImageOps

    pixels = np.kron(np.arange(1, 7, dtype=np.uint8).reshape(2, 3) * 40, np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(suffix, {})
    Image.fromarray(pixels).convert("RGB").save(path, exif=exif, **options)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(int)
    with Image.open(path) as opened:
        assert np.abs(array_of(opened).astype(int) - expected).max() <= 3
    got = read_pixels(path).astype(int)
    assert got.shape == expected.shape
    assert np.abs(got - expected[..., ::-1]).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_a_turned_picture_keeps_its_transparency(tmp_path: Path, suffix: str) -> None:
    pixels = np.full((2, 3, 4), (200, 200, 200, 255), np.uint8)
    pixels[0, 0, 3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", exif=exif, **options)
    assert read_pixels(tmp_path / f"a.{suffix}")[..., 0].tolist() == [[200, 0], [200, 200], [200, 200]]


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\0\0\0\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_damaged_exif_leaves_the_picture_as_it_is(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    assert read_pixels(tmp_path / "a.png").shape == (2, 3)


def test_the_rule_enters_keys_only_where_pixels_depend_on_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey, deep = np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint16)
    for name in ("a.png", "a.jpg", "a.bmp", "a.webp", "a.gif", "a.tiff"):
        Image.fromarray(grey).save(tmp_path / name)
        assert reading_rule((tmp_path / name).read_bytes(), PixelRules((1, 2))) == "", name
    Image.fromarray(grey).save(tmp_path / "b.png", exif=exif)
    Image.fromarray(deep).save(tmp_path / "c.png")
    Image.fromarray(deep).save(tmp_path / "c.tiff")
    assert not is_deep((tmp_path / "b.png").read_bytes())
    assert not is_deep(b"II*\0\x08\0\0\0" + bytes(6)), "a TIFF that says nothing has one bit"
    Image.fromarray(np.zeros((2, 3, 2), np.uint8), "LA").save(tmp_path / "d.tiff")
    for name in ("b.png", "c.png", "c.tiff", "d.tiff"):
        content = (tmp_path / name).read_bytes()
        rules = [PixelRules(), PixelRules((1, 2)), PixelRules(percentiles=(1, 99))]
        assert len({reading_rule(content, rule) for rule in rules} - {""}) == 3, name


@pytest.mark.parametrize(("code", "kind"), [("StsNoMem", MemoryError), ("StsAssert", UserError)])
def test_a_decoder_without_memory_makes_no_file_a_damaged_one(
    code: str, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any) -> Any:
        error = cv2.error("no")
        error.code, error.err = getattr(cv2.Error, code), "no"
        raise error

    Image.new("RGBA", (4, 4), (9, 9, 9, 100)).save(tmp_path / "a.tiff")
    content = (tmp_path / "a.tiff").read_bytes()
    assert reading_rule(content, PixelRules()).startswith("pixels-4")
    monkeypatch.setattr(cv2, "imdecode", fails)
    with pytest.raises(kind):
        pixels_of(content)
    with pytest.raises(kind) if kind is MemoryError else nullcontext():
        assert reading_rule(content, PixelRules()) == ""


@pytest.mark.parametrize("values", [np.nan, np.inf])
def test_a_picture_without_a_number_is_refused_and_not_black(tmp_path: Path, values: float) -> None:
    Image.fromarray(np.full((8, 8), values, np.float32)).save(tmp_path / "a.tif")
    for rules in (PixelRules(), PixelRules(window=(40.0, 400.0))):
        with pytest.raises(UserError, match=r"a\.tif.*number"):
            read_pixels(tmp_path / "a.tif", rules)


def test_values_near_the_largest_number_keep_their_order() -> None:
    assert eight_bit(np.array([[-1.7e308, 0.0, 1.7e308]])).tolist() == [[0, 128, 255]]


def test_a_deep_tiff_whose_zero_is_white_is_shown_as_no_negative(tmp_path: Path) -> None:
    grey = np.linspace(0, 60_000, 64).reshape(8, 8)
    content = deep_tiff(tmp_path / "a.tif", grey).read_bytes()
    black_is_zero, white_is_zero = (struct.pack("<HHII", 262, 3, 1, value) for value in (1, 0))
    negative = content.replace(black_is_zero, white_is_zero)
    (tmp_path / "b.tif").write_bytes(negative)
    assert (read_pixels(tmp_path / "b.tif") == 255 - read_pixels(tmp_path / "a.tif")).all()
    assert reading_rule(negative, PixelRules()) != reading_rule(content, PixelRules())
    small = Image.fromarray(grey.astype(np.uint8))
    small.save(tmp_path / "c.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "c.tif") as opened:
        assert (read_pixels(tmp_path / "c.tif") == np.asarray(opened)).all(), (
            "OpenCV turns those of 8 bits itself"
        )


@pytest.mark.parametrize(("mark", "shown"), [(2, 100), (1, 200), (0, 100)])
def test_the_opacity_of_a_colour_tiff_counts_once(tmp_path: Path, mark: int, shown: int) -> None:
    """2: OpenCV multiplies bytes itself; 1: the file holds products; 0: the file does not say what the fourth is."""
    pixels = np.full((2, 2, 4), (200, 200, 200, 128), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    said = [struct.pack("<HHIHH", 338, 3, 1, value, 0) for value in (2, mark)]
    content = (tmp_path / "a.tif").read_bytes().replace(*said)
    (tmp_path / "a.tif").write_bytes(content)
    assert (read_pixels(tmp_path / "a.tif") == shown).all()
    assert bool(reading_rule(content, PixelRules())) == (mark > 0)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert (
        reading_rule((tmp_path / "a.tif").read_bytes(), PixelRules()) == ""
    )  # what was computed of it holds


@pytest.mark.parametrize(("opacity", "rule"), [(0.5, "pixels-4"), (1.0, "pixels-2")])
def test_colours_of_real_numbers_may_have_an_opacity(tmp_path: Path, opacity: float, rule: str) -> None:
    """A TIFF of 32-bit floats whose colours are multiplied with their opacity already."""
    body = struct.pack("<8f", 0.2, 0.4, 0.6, opacity, 1, 0, 0, opacity)
    start = 8 + len(body)
    depths = start + 2 + 12 * 12 + 4
    tags = [
        (256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 4, depths), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8),
        (277, 3, 1, 4), (278, 3, 1, 1), (279, 4, 1, len(body)), (284, 3, 1, 1), (338, 3, 1, 1), (339, 3, 4, depths + 8),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    ends = bytes(4) + struct.pack("<8H", *[32] * 4, *[3] * 4)
    content = struct.pack("<2sHI", b"II", 42, start) + body + struct.pack("<H", len(tags)) + entries + ends
    (tmp_path / "a.tif").write_bytes(content)
    assert read_pixels(tmp_path / "a.tif").tolist() == [[[153, 102, 51], [0, 0, 255]]]
    assert reading_rule(content, PixelRules()).startswith(rule)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_deep_colours_that_pillow_halves_are_refused(tmp_path: Path, name: str) -> None:
    colours = np.full((2, 2, 3), (0, 1, 60_000), np.uint16)
    (deep_png if name == "a.png" else deep_tiff)(tmp_path / name, colours)
    with Image.open(tmp_path / name) as opened, pytest.raises(UserError, match="16 bits"):
        array_of(opened)


@pytest.mark.parametrize("name", ["transparent.png", "big_endian.tif"])
def test_a_picture_of_an_odd_mode_is_what_its_file_is(tmp_path: Path, name: str) -> None:
    grey = np.linspace(0, 60_000, 64).reshape(8, 8)
    if name == "transparent.png":
        colours = np.stack([grey // 257] * 3, axis=2).astype(np.uint8)
        Image.fromarray(colours).save(tmp_path / name, transparency=tuple(colours[7, 7].tolist()))
    else:
        header = struct.pack(">2sHI", b"MM", 42, 8)
        tags = ((256, 8), (257, 8), (258, 16), (259, 1), (262, 1), (273, 134), (277, 1), (278, 8), (279, 128))
        entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
        content = header + struct.pack(">H", len(tags)) + entries + bytes(4) + bytes(12)
        (tmp_path / name).write_bytes(content + grey.astype(">u2").tobytes())
    with Image.open(tmp_path / name) as picture:
        assert np.array_equal(encoder_pixels(picture, 8), encoder_pixels(tmp_path / name, 8))
