from __future__ import annotations

import io
import os
import resource
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from distune.data.pixels import decoder_messages
from distune.data.pixels.decoder_messages import check_decoded
from distune.data.pixels.image_size import size_of
from distune.data.pixels.images import FRAME, decode, located, read_pixels
from distune.data.pixels.intensity import DEFAULT
from distune.data.pixels.several_pictures import holds_several
from distune.data.readers.checks import image_problems
from distune.errors import UserError
from distune.prediction.example_pixels import array_of, encoder_pixels
from distune.prediction.examples import Example
from distune.prediction.novelty import Seen, seen_before
from distune.utils.files.paths import read_file


def bomb(file: Path, side: int) -> Path:
    """A PNG whose header asks for far more pixels than its few bytes hold."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return file


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
def test_the_header_tells_width_and_height(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / f"a{suffix}")
    assert size_of(str(tmp_path / f"a{suffix}")) == (30, 20)


READS = {
    "check": lambda name: image_problems([name], 100.0),
    "size": size_of,
    "decode": lambda name: decode(name, 8),
    "compare": lambda name: seen_before(
        [Example("a", name, "")], Seen(frozenset(), frozenset(), DEFAULT), reads_images=True
    ),
    "pictures": holds_several,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_image_is_bad_because_no_more_files_may_be_open(
    tmp_path: Path, read: Callable[[str], object]
) -> None:
    image = str(tmp_path / "a.png")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(image)
    read(image)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            read(image)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


FAILS = Path("/proc/self/mem")


@pytest.mark.skipif(not FAILS.exists(), reason="no file whose reading fails")
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_image_is_bad_because_a_disk_fails(read: Callable[[str], object]) -> None:
    """Its first bytes are no one's: the system answers with an I/O error, as of a disk."""
    with pytest.raises(OSError, match="Input/output error"):
        read(str(FAILS))
    with pytest.raises(OSError, match=str(FAILS)):
        read_file(FAILS)


def dds(pixel_format: bytes) -> bytes:
    """A picture in a form for which Pillow's plugin raises what no file error is."""
    sizes = struct.pack("<7I", 124, 0, 4, 4, 0, 0, 0)
    return b"DDS " + sizes + bytes(44) + struct.pack("<2I", 32, 0) + pixel_format + bytes(40)


def test_whatever_pillow_makes_of_a_damaged_file_it_is_a_bad_example(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(dds(b"XXXX"))
    with pytest.raises(NotImplementedError), Image.open(file):
        pass
    assert size_of(str(file)) is None
    assert image_problems([str(file)], 100.0)[0] is not None
    with pytest.raises(UserError, match=r"a\.png"):
        decode(file, 8)


def test_a_frame_beyond_any_number_is_part_of_a_name(tmp_path: Path) -> None:
    name = f"{tmp_path}/a.png{FRAME}{'9' * 5000}"
    assert located(name) == (name, None)
    assert located(f"a.dcm{FRAME}12") == ("a.dcm", 12)


def test_without_pillow_that_of_a_png_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert size_of(str(bomb(tmp_path / "a.png", 50_000))) == (50_000, 50_000)
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((2, 5), np.uint8))
    assert size_of(str(tmp_path / "wide.png")) == (5, 2)
    (tmp_path / "b.png").write_bytes((tmp_path / "wide.png").read_bytes()[:23])
    assert size_of(str(tmp_path / "b.png")) is None
    (tmp_path / "b.png").write_bytes(b"no image")
    assert size_of(str(tmp_path / "b.png")) is None and size_of(str(tmp_path / "none.png")) is None


@pytest.mark.timeout(20)  # a pipe that is opened waits for ever
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert size_of(str(tmp_path / "pipe.png")) is None
    with pytest.raises(UserError, match="pipe"):
        encoder_pixels(tmp_path / "pipe.png", 8)


def test_what_pillow_itself_refuses(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.png"):
        size_of(str(bomb(tmp_path / "b.png", 50_000)))


def test_other_files_are_left_to_whoever_decodes_them(tmp_path: Path) -> None:
    for name in ("a.png", "a.dcm"):
        (tmp_path / name).write_bytes(b"no image")
        assert size_of(str(tmp_path / name)) is None
    assert size_of(str(tmp_path / "none.png")) is None


def test_memory_that_does_not_suffice_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png")
    monkeypatch.setattr(picture, "load", full)
    with pytest.raises(MemoryError):
        array_of(picture)
    monkeypatch.setattr(Image, "open", full)
    for read in (size_of, lambda path: image_problems([path], 100.0)):
        with pytest.raises(MemoryError):
            read(str(tmp_path / "a.png"))


def encoded(form: str, **settings: object) -> bytes:
    """A picture of noise on a slope, as a file of some form."""
    slope = np.mgrid[0:96, 0:96].sum(0)[..., None] + np.random.default_rng(0).integers(0, 30, (96, 96, 3))
    picture, buffer = Image.fromarray(slope.astype(np.uint8)), io.BytesIO()
    (picture.convert("1") if settings.get("compression") == "group4" else picture).save(
        buffer, form, **settings
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "settings"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "group4"}),
    ],
)
def test_data_that_a_decoder_alone_finds_corrupt_make_a_bad_example_beside_good_ones(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str, settings: dict[str, object]
) -> None:
    whole = encoded(form, **settings)
    at = len(whole) // 2
    files = [tmp_path / f"{number}.image" for number in range(24)]
    for number, file in enumerate(files):
        file.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :] if number % 3 == 0 else whole)
    problems = image_problems([str(file) for file in files], 100.0)
    assert [problem is not None for problem in problems] == [number % 3 == 0 for number in range(24)]
    for file in files[:2]:
        assert ("damaged" in str(read_or_error(file))) == (file == files[0])
    assert capfd.readouterr() == ("", ""), "lines of a library name no file"


def read_or_error(file: Path) -> object:
    try:
        return read_pixels(file).shape
    except UserError as error:
        return error


def test_what_decoders_said_is_not_kept(tmp_path: Path) -> None:
    stream = decoder_messages._stream()
    if stream is None:
        pytest.skip("nothing can be caught here")
    whole = encoded("JPEG")
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2] + b"\xff" * 40 + whole[len(whole) // 2 + 40 :])
    for _ in range(3):
        assert image_problems([str(tmp_path / "a.jpg")], 100.0) != [None]
        assert os.fstat(stream.file).st_size == 0


@pytest.mark.parametrize(("filler", "is_good"), [(b"\0" * 9, True), (b"a camera", False)])
def test_a_jpeg_that_its_camera_filled_up_is_whole(tmp_path: Path, filler: bytes, is_good: bool) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG")[:-2] + filler + b"\xff\xd9")
    assert (image_problems([str(tmp_path / "a.jpg")], 100.0) == [None]) == is_good


def test_a_tiff_whose_parts_lie_at_no_number_is_damaged(tmp_path: Path) -> None:
    whole = encoded("TIFF", compression="tiff_adobe_deflate")
    numbers, text = (struct.pack("<HH", 273, kind) for kind in (4, 2))  # the tag of where they lie
    assert numbers in whole
    (tmp_path / "a.tif").write_bytes(whole.replace(numbers, text))
    with pytest.raises(UserError, match=r"a\.tif"):
        read_pixels(tmp_path / "a.tif")


@pytest.mark.timeout(20)
def test_where_nothing_can_be_caught_images_are_still_decoded_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder_messages, "_stream", lambda: None)
    both = threading.Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: check_decoded(both.wait, b""), range(2))) == [0, 1]


def test_what_python_writes_while_images_are_decoded_reaches_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def decode() -> None:
        print("from Python", file=sys.stderr, flush=True)
        os.write(2, b"from elsewhere\n")

    check_decoded(decode, b"")
    assert capfd.readouterr().err == "from Python\nfrom elsewhere\n"
