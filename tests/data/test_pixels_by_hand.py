"""From stored values to the pixels that a model sees, each number computed by hand."""

from __future__ import annotations

import ctypes
import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from distune.data.audit.files import FileForm, file_forms
from distune.data.pixels import decoder_messages
from distune.data.pixels.alpha_tiff import grey_and_opacity
from distune.data.pixels.decoder_messages import _is_padding, _Stream
from distune.data.pixels.dicom import (
    DicomHeader,
    _functional_groups,
    _padding,
    _rescaled,
    _shown,
    dicom_header_of,
)
from distune.data.pixels.image_size import size_of
from distune.data.pixels.images import (
    LIGHT,
    ROTATION_DEGREES,
    SCALE,
    SHIFT,
    decode,
    decode_all,
    from_array,
    in_bgr,
    located,
    pixels_of,
    read_pixels,
    reading_rule,
    squared,
    views,
    with_frame,
)
from distune.data.pixels.intensity import DEFAULT, PixelRules, eight_bit, opacity_of, scaled, windowed
from distune.data.pixels.orientation import orientation, tiff_value, turned
from distune.data.pixels.several_pictures import has_more
from distune.data.pixels.tiff_damage import _check_deflated
from distune.data.readers.checks import checked_images
from distune.errors import UserError
from distune.utils.progress import progress_to


class Element(SimpleNamespace):
    """As much of a DICOM data set as is read here."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


def shown(
    values: np.ndarray, file: Element, *, bits: int = 16, rules: PixelRules = DEFAULT, **header: Any
) -> Any:
    kind = header.get("photometric", "MONOCHROME2")
    return _shown(values, file, [], DicomHeader(2, 2, kind, bits, 1), rules).tolist()


DEEP = np.array([[0, 100], [200, 300]], np.int16)
ALL = PixelRules(percentiles=(0.0, 100.0))


@pytest.mark.parametrize(
    ("function", "values", "pixels"),
    [
        ("LINEAR", [-1.0, 0.0, 1.0, 2.0, 3.0], [0, 0, 85, 170, 255]),  # centre 2, width 4: from 0 to 3
        ("LINEAR_EXACT", [-1.0, 0.0, 1.0, 2.0, 4.0], [0, 0, 64, 128, 255]),  # from 0 to 4
        ("SIGMOID", [2.0, 3.0, 1.0, 100.0, -100.0], [128, 186, 69, 255, 0]),  # 1 / (1 + e^-1) = 0.731
        ("LINEAR", [np.nan, np.inf, -np.inf, 3.0, 0.0], [0, 255, 0, 255, 0]),
    ],
)
def test_windows(function: str, values: list[float], pixels: list[int]) -> None:
    assert windowed(np.array([values]), (2.0, 4.0), function).tolist() == [pixels]


def test_a_window_of_one_is_a_threshold() -> None:
    assert windowed(np.array([[0.4, 0.5, 0.6, 1.0]]), (1.0, 1.0)).tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize(
    ("percentiles", "ends"),
    [((0.0, 100.0), (10, 115)), ((10.0, 90.0), (10, 90)), ((15.0, 55.0), (20, 60)), ((50.0, 50.1), (50, 60))],
)
def test_percentiles_are_values_of_the_picture(
    dtype: Any, percentiles: tuple[float, float], ends: tuple[float, float]
) -> None:
    """Ten values of which the k-th is 10 k but the last, which is 115."""
    values = np.array([[10, 20, 30, 40, 50], [60, 70, 80, 90, 115]], dtype)
    low, high = ends
    expected = np.clip(np.rint((values.astype(float) - low) * 255 / (high - low)), 0, 255)
    assert scaled(values, PixelRules(percentiles=percentiles)).tolist() == expected.tolist()


def test_what_is_no_number_is_black_and_what_is_beyond_all_numbers_is_the_end_of_its_side() -> None:
    values = np.array([[np.nan, -np.inf, np.inf, 0.0], [1.0, 2.0, 3.0, 4.0]])
    whole = PixelRules(percentiles=(0.0, 100.0))
    assert scaled(values, whole).tolist() == [[0, 0, 255, 0], [64, 128, 191, 255]]
    largest = np.finfo(np.float64).max
    assert scaled(np.array([[-largest, 0.0, largest / 2, largest]]), whole).tolist() == [[0, 128, 191, 255]]


def test_where_percentiles_agree_the_whole_range_is_shown() -> None:
    for dtype in (np.int16, np.float64):
        values = np.array([[5] * 99 + [9]], dtype)
        assert scaled(values, PixelRules(percentiles=(10.0, 90.0)))[0, [0, 99]].tolist() == [0, 255]
        assert not scaled(np.full((2, 2), 7, dtype), ALL).any()


def test_what_is_no_number_is_black_and_infinity_the_end_that_it_exceeds() -> None:
    values = np.array([[np.nan, np.inf, -np.inf], [0.0, 10.0, 5.0]])
    assert scaled(values, ALL).tolist() == [[0, 255, 0], [0, 255, 128]]
    assert scaled(np.array([[-1e308, 0.0, 1e308]]), ALL).tolist() == [[0, 128, 255]]


def test_only_counted_pixels_decide_the_ends() -> None:
    values = np.array([[0, 80, 200, 1000]], np.int16)
    counted = np.array([[True, True, True, False]])
    assert scaled(values, ALL, counted).tolist() == [[0, 102, 255, 255]]


def test_transparent_pixels_are_black_and_count_for_nothing() -> None:
    deep = np.zeros((1, 3, 4), np.uint16)
    deep[0, :, :3] = [[0], [1000], [60000]]
    deep[0, :, 3] = [65535, 65535, 0]
    assert eight_bit(deep, ALL).tolist() == [[0, 255, 0]]
    plain = np.array([[[10, 20, 30, 255], [10, 20, 30, 51]]], np.uint8)
    assert eight_bit(plain).tolist() == [[[10, 20, 30], [2, 4, 6]]]
    assert eight_bit(np.array([[[7], [9]]], np.uint8)).tolist() == [[7, 9]]
    colours = np.array([[[0, 0, 0], [500, 500, 1000]]], np.uint16)
    assert eight_bit(colours, ALL).tolist() == [[[0, 0, 0], [128, 128, 255]]]
    half = np.array([[[0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.5]]], np.float32)
    assert eight_bit(half, ALL).tolist() == [[0, 128]]


def test_dicom_values_are_rescaled_windowed_inverted_and_padded_in_this_order() -> None:
    window = {"WindowCenter": 150.5, "WindowWidth": 301}
    assert shown(DEEP, Element(**window)) == [[0, 85], [170, 255]]
    assert shown(DEEP, Element(**window), photometric="MONOCHROME1") == [[255, 170], [85, 0]]
    assert shown(DEEP, Element(**window, PresentationLUTShape="INVERSE")) == [[255, 170], [85, 0]]
    rescaled = Element(RescaleSlope=2.0, RescaleIntercept=-100.0, WindowCenter=200.5, WindowWidth=601)
    assert shown(DEEP, rescaled) == [[0, 85], [170, 255]]  # -100 to 500
    assert shown(DEEP, Element(WindowCenter=150, WindowWidth=300, VOILUTFunction="LINEAR_EXACT")) == [
        [0, 85],
        [170, 255],
    ]
    assert shown(DEEP, Element(WindowCenter=[150.5, 9], WindowWidth=[301, 9])) == [[0, 85], [170, 255]]
    padded = Element(PixelPaddingValue=300, **window)
    assert shown(DEEP, padded, photometric="MONOCHROME1") == [[255, 170], [85, 0]]
    assert shown(DEEP, Element(PixelPaddingValue=0, **window), photometric="MONOCHROME1") == [
        [0, 170],
        [85, 0],
    ]
    assert shown(DEEP, Element(PixelPaddingValue=200), rules=ALL) == [[0, 85], [0, 255]]
    assert shown(DEEP, Element(**window), rules=PixelRules(window=(50.5, 101.0))) == [[0, 255], [255, 255]]
    for width in (0, -1):
        with pytest.raises(ValueError, match="width"):
            shown(DEEP, Element(WindowCenter=1, WindowWidth=width))


def test_eight_bits_without_units_are_shown_as_they_are_and_fewer_are_stretched() -> None:
    small = np.array([[0, 21], [42, 63]], np.uint8)
    rules = PixelRules(window=(1.0, 2.0))
    assert shown(small, Element(), bits=8, rules=rules) == [[0, 21], [42, 63]]
    assert shown(small, Element(), bits=6) == [[0, 85], [170, 255]]
    with_units = Element(RescaleSlope=1.0, RescaleIntercept=-21.0)
    assert shown(small, with_units, bits=8, rules=PixelRules(window=(0.5, 43.0))) == [[0, 128], [255, 255]]
    assert shown(small, Element(RescaleSlope=1.0), bits=8, rules=rules) == [[0, 21], [42, 63]]


def test_units_padding_and_groups_of_a_dicom_file() -> None:
    values, in_units = _rescaled(DEEP, Element(RescaleSlope=0.5, RescaleIntercept=None), [])
    assert values.tolist() == [[0, 50], [100, 150]] and in_units
    own = Element(RescaleSlope=3.0)
    assert _rescaled(DEEP, Element(RescaleSlope=0.5), [own])[0].tolist() == [[0, 300], [600, 900]]
    assert _rescaled(DEEP, Element(RescaleSlope=1, RescaleIntercept=0), []) == (DEEP, False)
    for bad in ("inf", "nan"):
        with pytest.raises(ValueError):
            _rescaled(DEEP, Element(RescaleSlope=bad), [])
    for limits in ((100, 200), (200, 100)):
        file = Element(PixelPaddingValue=limits[0], PixelPaddingRangeLimit=limits[1])
        assert np.asarray(_padding(DEEP, file)).tolist() == [[False, True], [True, False]]
    assert np.asarray(_padding(DEEP, Element(PixelPaddingValue=100))).tolist() == [
        [False, True],
        [False, False],
    ]
    assert (
        _padding(DEEP.astype(float), Element(PixelPaddingValue=100)) is None
        and _padding(DEEP, Element()) is None
    )
    frames = [Element(FrameVOILUTSequence=[f"window {n}"]) for n in range(2)]
    shared = Element(FrameVOILUTSequence=["shared"], PixelValueTransformationSequence=["units"])
    file = Element(PerFrameFunctionalGroupsSequence=frames, SharedFunctionalGroupsSequence=[shared])
    assert _functional_groups(file, 1) == ["window 1", "shared", "units"]
    assert _functional_groups(file, 2) == ["shared", "units"]


def dicom(path: Path, pixels: np.ndarray, **header: Any) -> Path:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian

    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.SOPClassUID = file.SOPInstanceUID = "1.2.3"
    if pixels.ndim == 3:
        file.NumberOfFrames = len(pixels)
    file.Rows, file.Columns = pixels.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = pixels.tobytes()
    for name, value in header.items():
        setattr(file, name, value)
    file.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("is_implicit", [True, False])
def test_a_file_of_the_time_before_part_10_is_read(is_implicit: bool, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    file = pydicom.Dataset()  # no signature, and nothing that names the transfer syntax
    file.Rows, file.Columns = 2, 3
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = bytes([0, 50, 100, 150, 200, 255])
    path = tmp_path / "old.ima"
    pydicom.dcmwrite(path, file, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False)
    assert dicom_header_of(str(path)) == DicomHeader(3, 2, "MONOCHROME2", 8, 1)
    assert read_pixels(path).tolist() == [[0, 50, 100], [150, 200, 255]]


def test_the_middle_frame_is_the_lower_of_two_and_a_named_one_is_no_choice(tmp_path: Path) -> None:
    frames = np.stack([np.full((2, 3), 50 * n, np.uint8) for n in range(1, 5)])
    four, one = dicom(tmp_path / "four.dcm", frames), dicom(tmp_path / "one.DCM", frames[0])
    assert dicom_header_of(str(four)) == DicomHeader(3, 2, "MONOCHROME2", 8, 4) and size_of(str(one)) == (
        3,
        2,
    )
    assert file_forms([str(one)]) == [FileForm("DICOM", "MONOCHROME2 8 bit", 3, 2)]
    bare = dicom(tmp_path / "bare.dcm", frames[0], BitsStored=6, HighBit=5)
    held = dicom_header_of(str(bare))
    assert held is not None and (held.bits, held.frames) == (6, 1)
    for name, is_known in (("old.IMA", True), ("old.png", False)):  # of the time before the signature
        (tmp_path / name).write_bytes(one.read_bytes()[132:])
        found_header = dicom_header_of(str(tmp_path / name))
        assert (found_header is not None) is is_known and (found_header is None or found_header.width == 3)
        if is_known:
            assert pixels_of((tmp_path / name).read_bytes(), suffix=".IMA")[0, 0] == 50
            assert decode(tmp_path / name, 2)[0, 0, 0] == read_pixels(tmp_path / name)[0, 0] == 50
    (tmp_path / "empty.dcm").touch()
    assert dicom_header_of(str(tmp_path / "empty.dcm")) is None
    assert "empty" in str(checked_images([str(tmp_path / "empty.dcm")], 1.0)[0].problem)
    with pytest.raises(UserError, match="empty"):
        pixels_of(b"", suffix=".dcm")
    content = four.read_bytes()
    assert pixels_of(content)[0, 0] == 100 and pixels_of(content, frame=4)[0, 0] == 200
    for frame in (0, 5):
        with pytest.raises(UserError, match=f"no frame {frame}"):
            pixels_of(content, frame=frame)
    found = checked_images([str(four), f"{four}#frame=2", str(one)], 1.0)
    assert [each.is_one_of_several for each in found] == [True, False, False]
    assert checked_images([str(four)], 6e-6)[0].problem is None
    assert checked_images([str(four)], 5e-6)[0].problem is not None
    rules = PixelRules()
    assert len({reading_rule(content, rules, frame) for frame in (None, 1, 2)}) == 3


def test_an_image_that_vanishes_while_a_set_is_read_is_no_bad_example(tmp_path: Path) -> None:
    """As in a short outage of a share; whether it is there was looked at before."""
    with pytest.raises(FileNotFoundError):
        checked_images([str(tmp_path / "gone.png")], 1.0)


def test_previews_of_a_camera_are_no_pictures_of_their_own(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(
        tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (2, 2))]
    )
    said: list[tuple[str, int, int]] = []
    with progress_to(lambda *done: said.append(done)):
        (found,) = checked_images([str(tmp_path / "a.jpg")], 1.0)
    assert found.problem is None and not found.is_one_of_several
    assert said == [("checking images", 1, 1)]


@pytest.mark.parametrize(
    ("image", "file", "frame"),
    [
        ("a.dcm", "a.dcm", None),
        ("a.dcm#frame=7", "a.dcm", 7),
        ("a#frame=1#frame=12", "a#frame=1", 12),
        ("a#frame=x", "a#frame=x", None),
        ("a#frame=", "a#frame=", None),
        (f"a#frame={'1' * 9}", "a", 111111111),
        (f"a#frame={'1' * 10}", f"a#frame={'1' * 10}", None),
    ],
)
def test_the_frame_of_a_path(image: str, file: str, frame: int | None) -> None:
    assert located(image) == (file, frame) and located(Path(image)) == (file, frame)


def encoded(pixels: np.ndarray, suffix: str) -> bytes:
    done, content = cv2.imencode(suffix, pixels)
    assert done
    return content.tobytes()


def test_only_files_of_several_have_a_second_frame() -> None:
    content = encoded(np.full((2, 2), 9, np.uint8), ".png")
    assert pixels_of(content, frame=1).tolist() == [[9, 9], [9, 9]]
    for frame in (0, 2):
        with pytest.raises(UserError, match=f"no frame {frame}"):
            pixels_of(content, frame=frame)


def test_pixels_become_square_and_red_green_blue(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[..., 0], pixels[:, 2:, 2] = 10, 200  # in OpenCV's order: blue, and red on the right
    small = squared(pixels, 2)
    assert small.shape == (3, 2, 2) and small.dtype == np.uint8 and small.flags.c_contiguous
    assert small[:, 0].tolist() == [[0, 200], [0, 0], [10, 10]]
    assert squared(np.array([[7]], np.uint8), 2).tolist() == [[[7, 7]] * 2] * 3
    narrow = np.array(
        [[0], [255], [0], [255]], np.uint8
    )  # one side is shorter than asked: interpolated, not averaged
    expected = cv2.resize(narrow, (2, 2), interpolation=cv2.INTER_LINEAR)
    assert squared(narrow, 2)[0].tolist() == expected.tolist()
    low = (np.arange(8).reshape(2, 4) * 30).astype(np.uint8)
    assert squared(low, 3)[0].tolist() == [[5, 45, 85], [65, 105, 145], [125, 165, 205]]
    assert decode("", 3).tolist() == np.full((3, 3, 3), 128).tolist()
    cv2.imwrite(str(tmp_path / "deep.png"), np.array([[0, 1000], [2000, 4000]], np.uint16))
    told: list[tuple[str, int, int]] = []
    rules = PixelRules(window=(1000.5, 2001.0))
    both = decode_all([tmp_path / "deep.png", ""], 2, rules=rules, progress=lambda *done: told.append(done))
    assert both[0, 0].tolist() == [[0, 128], [255, 255]] and both[1].min() == 128
    assert told == [("decoding images", 1, 2), ("decoding images", 2, 2)]
    for wrong in (np.empty((1, 3, 2, 2), np.uint8), np.empty((2, 3, 2, 2), np.int16)):
        with pytest.raises(ValueError):
            decode_all(["", ""], 2, wrong)


def test_arrays_in_memory() -> None:
    rgba = np.array([[[1, 2, 3, 255]]], np.uint8)
    assert in_bgr(rgba).tolist() == [[[3, 2, 1, 255]]] and in_bgr(rgba[..., :3]).tolist() == [[[3, 2, 1]]]
    assert from_array(rgba).tolist() == [[[3, 2, 1]]]
    deep = np.array([[0, 50, 100]], np.int32)
    assert from_array(deep, PixelRules(window=(50.5, 101.0))).tolist() == [[0, 128, 255]]
    assert from_array(np.ma.masked_array(np.ones((2, 2), np.uint8), mask=False)).shape == (2, 2)
    for odd in (np.ones((2, 2), bool), np.ones((2, 2, 2)), np.ones((0, 2)), np.ones(3), np.array([["a"]]),
                np.ma.masked_array(np.ones((2, 2)), mask=[[True, False], [False, False]])):  # fmt: skip
        with pytest.raises(UserError):
            from_array(odd)


def test_views_depend_on_seed_example_and_view_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    found = views(pixels, seed=1, index=2, count=3)
    assert found.shape == (3, 3, 16, 16) and np.array_equal(found[0], pixels)
    assert np.array_equal(found[:2], views(pixels, seed=1, index=2, count=2))
    for other in ({"seed": 2, "index": 2}, {"seed": 1, "index": 3}):
        assert not np.array_equal(found[1], views(pixels, count=2, **other)[1])


@pytest.mark.parametrize(
    ("drawn", "check"),
    [
        ([1, 0, 0, 0, 0, 0], "turned"),
        ([-1, 0, 0, 0, 0, 0], "turned back"),
        ([0, 1, 0, 0, 0, 0], "larger"),
        ([0, -1, 0, 0, 0, 0], "smaller"),
        ([0, 0, 1, 0, 0, 0], "right"),
        ([0, 0, 0, 1, 0, 0], "down"),
        ([0, 0, 0, 0, 1, 0], "contrast"),
        ([0, 0, 0, 0, 0, 1], "brightness"),
        ([0, 0, 0, 0, 0, 0], "nothing"),
    ],
)
def test_each_change_of_a_view_is_as_large_as_promised(
    drawn: list[float], check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drawn:
        def uniform(self, low: float, high: float, size: int) -> np.ndarray:
            assert (low, high, size) == (-1.0, 1.0, 6)
            return np.array(drawn, float)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Drawn())
    side = 50
    pixels = np.broadcast_to(np.linspace(0, 245, side).astype(np.uint8), (3, side, side)).copy()
    if check == "down":
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))
    moved = views(pixels, seed=0, index=0, count=2)[1]
    step, far = round(SHIFT * side), np.arange(side) - (side - 1) / 2

    def ramp(places: np.ndarray) -> np.ndarray:
        """The ramp at places from the middle, (rows, columns); beyond the border it goes on as there."""
        return np.interp(places, far, pixels[0, 0].astype(float))[None]

    down, right = np.meshgrid(far, far, indexing="ij")
    turn = np.radians(ROTATION_DEGREES)
    expected = {
        "turned": lambda: ramp(np.cos(turn) * right - np.sin(turn) * down),
        "turned back": lambda: ramp(np.cos(turn) * right + np.sin(turn) * down),
        "larger": lambda: ramp(right / (1 + SCALE)),
        "smaller": lambda: ramp(right / (1 - SCALE)),
        "right": lambda: np.concatenate(
            [np.repeat(pixels[..., :1], step, axis=2), pixels[..., :-step]], axis=2
        ),
        "down": lambda: np.concatenate([np.repeat(pixels[:, :1], step, axis=1), pixels[:, :-step]], axis=1),
        "contrast": lambda: np.clip(np.rint((pixels - 127.5) * (1 + LIGHT) + 127.5), 0, 255),
        "brightness": lambda: np.clip(np.rint(pixels + 127.5 * LIGHT), 0, 255),
        "nothing": lambda: pixels,
    }[check]()
    assert np.abs(moved.astype(float) - expected).max() <= 1.5


@pytest.mark.parametrize("number", range(1, 9))
def test_pixels_are_turned_as_exif_says(number: int) -> None:
    """What a viewer of Pillow makes of the same tag."""
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    picture = Image.fromarray(pixels)
    picture.getexif()[0x0112] = number
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(picture)) if number > 1 else pixels
    assert turned(pixels, number).tolist() == expected.tolist()


def tiff(order: str, kind: int, number: int, value: int) -> bytes:
    """Eight bytes of a header, one entry of the tag 0x0112, and two values behind it."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    packed = struct.pack(order + "HH", value, 0) if number <= 2 else struct.pack(order + "I", 26)
    entry = struct.pack(order + "HHI", 0x0112, kind, number) + packed
    return mark + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0" + struct.pack(order + "HH", value, 9)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_value_of_a_tag_stands_in_its_entry_or_behind_it(order: str) -> None:
    for number in (1, 2, 3):
        assert tiff_value(tiff(order, 3, number, 6), 0x0112) == 6
    assert (
        tiff_value(tiff(order, 4, 1, 6), 0x0112) is None and tiff_value(tiff(order, 3, 1, 6), 0x0113) is None
    )
    assert (
        tiff_value(tiff(order, 3, 1, 6)[:19], 0x0112) is None
        and tiff_value(b"PNG" + bytes(40), 0x0112) is None
    )


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(held)) + held + bytes(len(held) % 2) for kind, held in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(struct.pack(">I", len(held)) + kind + held + bytes(4) for kind, held in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("value", [1, 6, 8, 0, 9])
def test_the_orientation_of_png_and_webp(value: int) -> None:
    exif, expected = tiff("<", 3, 1, value), value if 1 <= value <= 8 else 1
    assert orientation(png((b"IHDR", bytes(13)), (b"eXIf", exif))) == expected
    assert orientation(webp((b"VP8 ", b"odd"), (b"EXIF", exif))) == expected
    assert orientation(webp((b"VP8 ", b"even"), (b"EXIF", b"Exif\0\0" + exif))) == expected
    assert orientation(png((b"IHDR", bytes(13)))) == orientation(exif) == orientation(b"") == 1


@pytest.mark.parametrize(
    ("rest", "is_padding"), [(b"\0\0\0", True), (b"\xff\0\xff", True), (b"\0\x01\0", False), (b"abc", False)]
)
def test_what_fills_up_a_jpeg_is_no_damage(rest: bytes, is_padding: bool) -> None:
    line = "Corrupt JPEG data: 3 extraneous bytes before marker 0xd9"
    assert _is_padding(line, b"data" + rest + b"\xff\xd9 more") is is_padding
    assert _is_padding(line, b"a thumbnail\xff\xd9 data" + rest + b"\xff\xd9") is is_padding
    assert not _is_padding("Premature end of JPEG file", b"data" + rest + b"\xff\xd9")


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="decoders are heard on Linux alone")
def test_a_decoder_is_heard_from_where_it_begins() -> None:
    file = os.memfd_create("words")
    stream = _Stream(file, ctypes.c_void_p(7), 1, 7)
    os.write(file, b"of another one")

    def decode() -> int:
        os.write(file, b"now\xff")
        return 5

    assert stream.listen(decode) == (5, "now\N{REPLACEMENT CHARACTER}") and stream.listen(lambda: 6) == (
        6,
        "",
    )
    stream.point_at_memory(True)
    assert stream.pointer.value == 1 and os.fstat(file).st_size > 0
    stream.point_at_memory(False)
    assert stream.pointer.value == 7 and os.fstat(file).st_size == 0
    assert stream.listen(decode)[1].startswith("now")
    os.close(file)


@pytest.mark.parametrize(
    ("words", "is_damage"),
    [
        ("", False),
        ("a warning", False),
        ("Corrupt JPEG data: bad Huffman code", True),
        ("libpng error: IDAT: CRC error", True),
        ("LZWDecode: Not enough data", True),
        ("a warning\nCorrupt JPEG data: bad Huffman code\nanother", True),
        ("Corrupt JPEG data: 2 extraneous bytes before marker 0xd9", False),
        ("Corrupt JPEG data: 3 extraneous bytes before marker 0xd9", True),
    ],
)
def test_what_a_decoder_says_is_damage(words: str, is_damage: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_messages, "_heard", lambda decode: (decode(), words))
    content = b"\x01\0\xff\xff\xd9"
    if is_damage:
        with pytest.raises(UserError, match="damaged: "):
            decoder_messages.check_decoded(lambda: "pixels", content)
    else:
        assert decoder_messages.check_decoded(lambda: "pixels", content) == "pixels"


@pytest.mark.parametrize(
    ("image", "cell", "path"),
    [
        ("a", "", "a"),
        ("a", " ", "a"),
        ("a", " 3 ", "a#frame=3"),
        ("a", "12.0", "a#frame=12"),
        ("", "3", ""),
        (" ", "x", " "),
    ],
)
def test_a_cell_may_name_the_frame_of_an_image(image: str, cell: str, path: str) -> None:
    assert with_frame(image, cell) == path
    for odd in ("0", "-1", "1.5", "x", "1" * 10, "1\uff12"):
        with pytest.raises(ValueError):
            with_frame("a", odd)


@pytest.mark.parametrize(("error", "is_raised"), [(MemoryError(), True), (ValueError("damaged"), False)])
def test_what_follows_the_first_picture_may_be_damaged(error: Exception, is_raised: bool) -> None:
    class Opened:
        format = "GIF"

        @property
        def is_animated(self) -> bool:
            raise error

    opened: Any = Opened()
    if is_raised:
        with pytest.raises(MemoryError):
            has_more(opened)
    else:
        assert has_more(opened) is False


@pytest.mark.parametrize("most", [255, 65535, 1.0])
def test_opacity_is_a_share_of_what_its_kind_of_number_holds(most: float) -> None:
    kind = np.float32 if most == 1.0 else np.uint8 if most == 255 else np.uint16
    assert opacity_of(np.array([0, most], kind)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("turn", [1, 3])
def test_grey_and_opacity_of_either_byte_order(order: str, bits: int, turn: int) -> None:
    """Two rows of three pixels, written by hand: the grey of each, and how much of it covers black."""
    held = np.arange(12).reshape(2, 3, 2) * (1 if bits == 8 else 5000)
    place = 8 + 2 + 12 * 11 + 4
    tags = [(256, 3), (257, 2), (258, bits), (259, 1), (262, 1), (273, place), (274, turn), (277, 2), (278, 2),
            (279, held.size * bits // 8), (338, 2)]  # fmt: skip
    entries = b"".join(
        struct.pack(order + "HHI", tag, 3, 2) + struct.pack(order + "HH", value, value)
        if tag == 258
        else struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
        for tag, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    content = head + entries + bytes(4) + held.astype(f"{order}u{bits // 8}").tobytes()
    found = grey_and_opacity(content)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert found.tolist() == (held if turn == 1 else held[::-1, ::-1]).tolist()


@pytest.mark.parametrize("tags", [(273, 279), (324, 325)], ids=["strips", "tiles"])
@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_each_deflated_part_of_a_tiff_is_checked(tags: tuple[int, int], damage: str) -> None:
    parts = [zlib.compress(bytes([n]) * 500) for n in range(2)]
    content = b"".join(parts)
    about = {tags[0]: (0, len(parts[0])), tags[1]: tuple(map(len, parts))}
    _check_deflated(content, about)
    if damage == "cut":
        about[tags[1]] = (len(parts[0]), len(parts[1]) - 3)
    else:
        content = content[:-2] + bytes([content[-2] ^ 1, content[-1]])
    with pytest.raises(UserError, match="deflate"):
        _check_deflated(content, about)


def test_a_window_one_value_wide_is_a_step_and_divides_by_nothing() -> None:
    values = np.array([-np.inf, 1.4, 1.5, 1.6, 2.0, np.nan])
    for width in (1.0, 0.5):
        with np.errstate(all="raise"):
            assert windowed(values, (2.0, width)).tolist() == [0, 0, 0, 255, 255, 0]
