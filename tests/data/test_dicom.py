"""DICOM files, each written by pydicom for one rule."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import Config, DataConfig, as_dict, parse_config
from distune.data import read_table
from distune.data.audit.audit import audit
from distune.data.fingerprint import image_fingerprints
from distune.data.pixels.decoder_messages import _stream
from distune.data.pixels.dicom import dicom_header_of
from distune.data.pixels.images import decode, pixels_of, read_pixels
from distune.data.pixels.intensity import PixelRules, scaled, windowed
from distune.data.pixels.several_pictures import holds_several
from distune.data.readers.checks import checked_images, image_problems
from distune.errors import DataError, UserError

from .conftest import write_csv

pydicom = pytest.importorskip("pydicom")
Write = Callable[..., Path]
NAME, PATIENT_ID, BIRTH_DATE = "Mustermann^Erika", "ID4711ID", "19600229"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def write(name: str, pixels: np.ndarray, *, compress: Any = None, **header: Any) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = FileDataset(str(tmp_path / name), {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        file.PatientName, file.PatientID, file.PatientBirthDate = NAME, PATIENT_ID, BIRTH_DATE
        is_colour = pixels.ndim == 3 and pixels.shape[-1] == 3
        frames = pixels.shape[0] if pixels.ndim == 3 and not is_colour else None
        file.Rows, file.Columns = pixels.shape[:2] if frames is None else pixels.shape[1:3]
        if frames is not None:
            file.NumberOfFrames = frames
        file.SamplesPerPixel = 3 if is_colour else 1
        if is_colour:
            file.PlanarConfiguration = 0
        file.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
        file.BitsAllocated = file.BitsStored = 8 * pixels.itemsize
        file.HighBit = file.BitsStored - 1
        file.PixelRepresentation = int(pixels.dtype.kind == "i")
        file.PixelData = pixels.tobytes()
        for key, value in header.items():
            setattr(file, key, value)
        if compress is not None:
            file.compress(compress)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        file.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


def ramp(low: int = 0, high: int = 4000, dtype: Any = np.int16) -> np.ndarray:
    return np.linspace(low, high, 64 * 64).reshape(64, 64).astype(dtype)


def test_slope_and_intercept_come_before_the_window_of_the_file(write: Write) -> None:
    path = write("a.dcm", ramp(), RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    assert np.array_equal(read_pixels(path), windowed(ramp() * 2.0 - 1024, (40, 400)))


def test_the_window_of_the_config_replaces_that_of_the_file(write: Write) -> None:
    windows = {"WindowCenter": [40, 300], "WindowWidth": [400, 1500]}
    path = write("a.dcm", ramp(), RescaleSlope=1, RescaleIntercept=-1024, **windows)
    units = ramp() - 1024.0
    assert np.array_equal(read_pixels(path), windowed(units, (40, 400)))
    assert np.array_equal(read_pixels(path, PixelRules((-600, 1500))), windowed(units, (-600, 1500)))


@pytest.mark.parametrize(
    ("kind", "header", "is_deep"),
    [(np.uint8, {}, False), (np.uint8, {"RescaleSlope": 1, "RescaleIntercept": 0}, False),
     (np.uint8, {"RescaleIntercept": -1024}, True), (np.int16, {}, True)],
)  # fmt: skip
def test_a_window_counts_for_deep_values_and_those_of_a_unit(
    write: Write, kind: Any, header: dict[str, Any], is_deep: bool
) -> None:
    (found,) = checked_images(
        [str(write("a.dcm", ramp(0, 200, kind), **header))], 100.0, PixelRules((40, 80))
    )
    assert found.problem is None and found.is_deep is is_deep


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_the_function_of_the_window_is_that_of_the_file(write: Write, function: str) -> None:
    path = write("a.dcm", ramp(), WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function)
    assert np.array_equal(read_pixels(path), windowed(ramp(), (2000, 1000), function))


def test_without_a_window_the_percentiles_decide_and_padding_is_black(write: Write) -> None:
    values = ramp(100, 3000)
    values[:20] = -2000
    path = write("a.dcm", values, PixelPaddingValue=-2000)
    got = read_pixels(path)
    assert (got[:20] == 0).all()
    assert np.array_equal(got[20:], scaled(values[20:]))
    inverted = read_pixels(
        write("b.dcm", values, PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1")
    )
    assert (inverted[:20] == 0).all()
    assert np.array_equal(inverted[20:], 255 - got[20:])


@pytest.mark.parametrize(("first", "last"), [(-2000, -1990), (-1990, -2000)])
def test_a_range_of_padding_is_black_and_takes_no_part_in_the_percentiles(
    write: Write, first: int, last: int
) -> None:
    values = ramp(100, 3000)
    values[:20] = np.linspace(-2000, -1990, 20).astype(values.dtype)[:, None]
    got = read_pixels(write("a.dcm", values, PixelPaddingValue=first, PixelPaddingRangeLimit=last))
    assert (got[:20] == 0).all() and np.array_equal(got[20:], scaled(values[20:]))


def test_monochrome1_is_inverted(write: Write) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 4000}
    one = read_pixels(write("1.dcm", ramp(), PhotometricInterpretation="MONOCHROME1", **window))
    two = read_pixels(write("2.dcm", ramp(), **window))
    assert np.array_equal(one, 255 - two)
    assert one[0, 0] > 200 > 50 > one[-1, -1]


def test_eight_bits_are_shown_as_they_are(write: Write) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16) // 2
    assert np.array_equal(read_pixels(write("a.dcm", pixels), PixelRules((40, 400))), pixels)


def test_a_voi_table_is_applied(write: Write) -> None:
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 16], [0, 65535, 0, 32768]
    table.add_new("LUTDescriptor", "US", [4, 0, 16])
    table.add_new("LUTData", "US", [0, 65535, 0, 32768])
    path = write("a.dcm", np.array([[0, 1], [2, 3]], np.uint16), VOILUTSequence=[table])
    assert read_pixels(path).tolist() == [[0, 255], [0, 128]]


def test_colour_and_palette(write: Write) -> None:
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[:] = (250, 120, 10)
    assert decode(write("rgb.dcm", colour), 4)[:, 0, 0].tolist() == [250, 120, 10]
    with pytest.raises(UserError, match="HSV"):
        read_pixels(write("hsv.dcm", colour, PhotometricInterpretation="HSV"))


@pytest.mark.parametrize(("bits", "shift"), [(16, 8), (16, 0), (8, 0)])
def test_a_palette_is_of_16_bits_or_of_8_in_16(write: Write, bits: int, shift: int) -> None:
    tables = {
        f"{name}PaletteColorLookupTable{part}": value
        for name, values in (("Red", [0, 250]), ("Green", [0, 120]), ("Blue", [0, 10]))
        for part, value in (("Descriptor", [2, 0, bits]), ("Data", (np.array(values, np.uint16) << shift).tobytes()))
    }  # fmt: skip
    path = write("p.dcm", np.array([[0, 1]], np.uint8), PhotometricInterpretation="PALETTE COLOR", **tables)
    assert read_pixels(path).tolist() == [[[0, 0, 0], [10, 120, 250]]]


def test_a_palette_may_be_in_segments(write: Write) -> None:
    tables = {
        key: value
        for name, shade in (("Red", 250), ("Green", 120), ("Blue", 10))
        for key, value in (
            (f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16]),
            (f"Segmented{name}PaletteColorLookupTableData", np.array([0, 2, 0, shade << 8], np.uint16).tobytes()),
        )
    }  # fmt: skip
    path = write("p.dcm", np.array([[0, 1]], np.uint8), PhotometricInterpretation="PALETTE COLOR", **tables)
    assert read_pixels(path).tolist() == [[[0, 0, 0], [10, 120, 250]]]


def test_of_several_frames_the_middle_one_or_the_named_one(write: Write) -> None:
    frames = np.stack([np.full((4, 4), 10 * n, np.uint8) for n in range(1, 6)])
    path = write("cine.dcm", frames)
    assert read_pixels(path)[0, 0] == 30
    assert [int(read_pixels(f"{path}#frame={n}")[0, 0]) for n in range(1, 6)] == [10, 20, 30, 40, 50]
    (Path(path).parent / "old.dcm").write_bytes(Path(path).read_bytes()[132:])
    assert read_pixels(f"{Path(path).parent}/old.dcm#frame=2")[0, 0] == 20, "known by its suffix"
    (Path(path).parent / "bare").write_bytes(Path(path).read_bytes())
    assert read_pixels(f"{Path(path).parent}/bare#frame=2")[0, 0] == 20, "known by its content"
    bare = dicom_header_of(f"{Path(path).parent}/bare")
    assert bare is not None and bare.frames == 5
    with pytest.raises(UserError, match=r"frame 6.*has 5"):
        read_pixels(f"{path}#frame=6")
    paths = [*(str(write(f"{count}.dcm", frames[:count])) for count in (1, 2)), f"{path}#frame=6", str(path)]
    found = checked_images([*paths, f"{path}#frame=2"], 1.0)
    assert [each.is_one_of_several for each in found] == [False, True, False, True, False]
    assert [each.problem is not None for each in found] == [False, False, True, False, False]
    assert [holds_several(each) for each in (*paths[:2], str(path))] == [False, True, True]


def test_an_enhanced_file_windows_each_frame_by_its_own_group(write: Write) -> None:
    from pydicom.dataset import Dataset

    groups = []
    for centre in (1000, 3000):
        window, values, group = Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 400
        values.RescaleSlope, values.RescaleIntercept = 1, 500
        group.FrameVOILUTSequence, group.PixelValueTransformationSequence = [window], [values]
        groups.append(group)
    path = write("enhanced.dcm", np.stack([ramp(), ramp()]), PerFrameFunctionalGroupsSequence=groups)
    assert np.array_equal(read_pixels(f"{path}#frame=1"), windowed(ramp() + 500.0, (1000, 400)))
    assert np.array_equal(read_pixels(f"{path}#frame=2"), windowed(ramp() + 500.0, (3000, 400)))
    path = write("shared.dcm", np.stack([ramp(), ramp()]), SharedFunctionalGroupsSequence=groups[1:])
    assert np.array_equal(read_pixels(f"{path}#frame=2"), windowed(ramp() + 500.0, (3000, 400)))


def test_run_length_encoding_and_deflate(write: Write) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

    path = write("plain.dcm", ramp())
    plain = read_pixels(path)
    packed = write("rle.dcm", ramp(), compress=RLELossless)
    assert np.array_equal(read_pixels(packed), plain)
    segments, others = (number.to_bytes(4, "little") + b"\x40\0\0\0" for number in (2, 3))
    packed.write_bytes(packed.read_bytes().replace(segments, others))
    with pytest.raises(UserError, match="damaged"):
        read_pixels(packed)
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file.save_as(path)
    assert np.array_equal(read_pixels(path), plain)


def write_jpeg(write: Write, syntax: str, *frames: bytes) -> Path:
    """A DICOM file of 64 x 64 pixels whose frames are compressed files, without a table of where they begin."""
    from pydicom import uid
    from pydicom.encaps import encapsulate

    path = write("a.dcm", np.zeros((64, 64), np.uint8), NumberOfFrames=len(frames))
    file = pydicom.dcmread(path)
    file.PixelData = encapsulate(list(frames), has_bot=False)
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = getattr(uid, syntax)
    file.save_as(path)
    return path


@pytest.mark.skipif(_stream() is None, reason="what a decoder says is heard with glibc alone")
def test_a_damaged_jpeg_inside_is_a_bad_example(write: Write) -> None:
    body = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(body, "JPEG")
    whole = body.getvalue()
    start = whole.index(b"\xff\xda") + 10
    read_pixels(write_jpeg(write, "JPEGBaseline8Bit", whole))
    for place in range(start + 200, len(whole) - 200, 400):
        damaged = whole[:place] + b"\xff\xd3" + whole[place + 2 :]  # a marker where none belongs
        with pytest.raises(UserError, match="damaged"):
            read_pixels(write_jpeg(write, "JPEGBaseline8Bit", damaged))


def test_each_frame_of_jpegs_inside_is_found(write: Write) -> None:
    bodies = [BytesIO() for _ in range(3)]
    for number, body in enumerate(bodies):
        Image.new("L", (64, 64), 50 * number).save(body, "JPEG")
    path = write_jpeg(write, "JPEGBaseline8Bit", *(body.getvalue() for body in bodies))
    assert [int(read_pixels(f"{path}#frame={n}")[0, 0]) for n in (1, 2, 3)] == [0, 50, 100]


@pytest.mark.parametrize("syntax", ["JPEGBaseline8Bit", "JPEG2000Lossless", "JPEGLSLossless"])
def test_jpeg_inside_as_far_as_decoders_are_installed(write: Write, syntax: str) -> None:
    from pydicom import uid
    from pydicom.pixels import get_decoder

    pixels = ramp(0, 255, np.uint8)
    kind = {"JPEGBaseline8Bit": "JPEG", "JPEG2000Lossless": "JPEG2000"}.get(syntax, "JPEG")
    body = BytesIO()
    Image.fromarray(pixels).save(
        body, kind, **({"quality": 95} if kind == "JPEG" else {"irreversible": False})
    )
    path = write_jpeg(write, syntax, body.getvalue())
    if get_decoder(getattr(uid, syntax)).is_available:
        assert np.abs(read_pixels(path).astype(int) - pixels).max() <= 3
    else:
        with pytest.raises(UserError, match="pip install"):
            read_pixels(path)


@pytest.mark.parametrize("damage", ["cut", "no pixels", "text"])
def test_a_damaged_file_is_named_without_its_patient(write: Write, damage: str) -> None:
    path = write("a.dcm", ramp())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "no pixels":
        file = pydicom.dcmread(path)
        del file.PixelData, file.Rows
        file.save_as(path)
    else:
        path.write_bytes(b"hello")
    with pytest.raises(UserError, match=r"a\.dcm: ") as caught:
        read_pixels(path)
    assert "DICOM" in str(caught.value)
    assert "Mustermann" not in str(caught.value)


def _lookup(**elements: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in elements.items():
        item.add_new(name, "US", value)
    return [item]


PALETTE = {f"{name}PaletteColorLookupTableDescriptor": [2, 0, 16] for name in ("Red", "Green", "Blue")}
HEADERS: dict[str, dict[str, Any]] = {
    "an empty modality table": {"ModalityLUTSequence": _lookup()},
    "a short modality table": {"ModalityLUTSequence": _lookup(LUTDescriptor=[4000, 0, 16], LUTData=[1])},
    "an empty VOI table": {"VOILUTSequence": _lookup()},
    "a VOI table without values": {"VOILUTSequence": _lookup(LUTDescriptor=[4, 0, 16])},
    "a VOI table of two numbers": {"VOILUTSequence": _lookup(LUTDescriptor=[4, 0], LUTData=[1])},
    "colours without a palette": {"PhotometricInterpretation": "PALETTE COLOR"},
    "a palette without colours": {"PhotometricInterpretation": "PALETTE COLOR", **PALETTE},
    "a slope of nothing": {"RescaleSlope": 0, "RescaleIntercept": 0},
    "a slope that is text": {"RescaleSlope": b"abc", "RescaleIntercept": 0},
    "a slope of two numbers": {"RescaleSlope": b"1\\2", "RescaleIntercept": 0},
    "a slope without an end": {"RescaleSlope": b"inf", "RescaleIntercept": 0},
    "a slope that is no number": {"RescaleSlope": b"nan", "RescaleIntercept": 0},
    "a window of text": {"WindowCenter": b"x\\y", "WindowWidth": 1},
    "a window without a width": {"WindowCenter": 40, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"},
    "an exact window without a width": {
        "WindowCenter": 40,
        "WindowWidth": 0,
        "VOILUTFunction": "LINEAR_EXACT",
    },
    "a window of less than nothing": {"WindowCenter": 40, "WindowWidth": -5},
    "a window of nothing": {"WindowCenter": b"\\", "WindowWidth": 1},
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_damaged_header_is_a_bad_example(write: Write, case: str) -> None:
    # pydicom writes no number that is none: its bytes are replaced in the file
    texts = {name: value for name, value in HEADERS[case].items() if isinstance(value, bytes)}
    path = write("a.dcm", ramp(dtype=np.uint16), **HEADERS[case] | dict.fromkeys(texts, "8.765432"))
    content = path.read_bytes()
    for value in texts.values():
        content = content.replace(b"8.765432", value.ljust(8), 1)
    path.write_bytes(content)
    (fault,) = image_problems([str(path)], 100.0, PixelRules())
    assert fault is not None and "without pixels" not in str(fault)
    assert ("RescaleSlope" in str(fault)) == (case == "a slope of nothing")
    with pytest.raises(UserError, match=r"a\.dcm: "):
        read_pixels(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_whatever_byte_of_a_header_is_another_the_file_is_read_or_a_bad_example(write: Write) -> None:
    path = write("a.dcm", ramp()[:4, :4], RescaleSlope=2, RescaleIntercept=0, WindowCenter=40, WindowWidth=5)
    content = path.read_bytes()
    for position in range(132, len(content) - 32):
        damaged = bytearray(content)
        damaged[position] ^= 0x1F
        with suppress(UserError):
            assert pixels_of(bytes(damaged)).dtype == np.uint8


@pytest.mark.parametrize(
    "place", ["distune.data.pixels.dicom.scaled", "pydicom.dcmread", "pydicom.pixels.utils.pixel_array"]
)
def test_a_machine_without_memory_makes_no_file_a_damaged_one(
    write: Write, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    path = write("a.dcm", ramp())
    monkeypatch.setattr(place, full)
    with pytest.raises(MemoryError):
        read_pixels(path)


def dicom_set(root: Path, write: Write, **header: Any) -> DataConfig:
    """12 files of 3 frames, 4 examples of dev; frame 2 is bright where the label is b."""
    for split, numbers in (("train", range(8)), ("dev", range(8, 12))):
        rows = [["file", "frame", "grade", "note"]]
        for number in numbers:
            frames = np.stack([ramp() // 2 + number, ramp() + number, ramp() // 3 + number])
            write(f"scans/{number}.dcm", frames, **header)
            rows.append(
                [f"scans/{number}.dcm", ["", "1", "2.0"][number % 3], "ab"[number % 2], f"note {number}"]
            )
        write_csv(root / f"metadata_{split}.csv", rows)
    return DataConfig(
        reader="csv", root=root, image_column="file", text_column="note", label_columns=("grade",), frame_column="frame"
    )  # fmt: skip


@pytest.mark.parametrize(("centre", "is_flat"), [(2000, False), (-9000, True)])
def test_a_window_that_lies_far_from_the_values_is_noted(
    write: Write, tmp_path: Path, centre: int, is_flat: bool
) -> None:
    notes = read_table(dicom_set(tmp_path, write, WindowCenter=centre, WindowWidth=400)).notes
    assert any("single grey" in note for note in notes) == is_flat


@pytest.mark.slow
def test_a_table_of_dicom_files_names_frames_and_no_patient(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    config = dicom_set(tmp_path, write, WindowCenter=2000, WindowWidth=4000)
    table = read_table(config)
    assert table.images[:3] == tuple(
        str(tmp_path.resolve() / f"scans/{name}") for name in ("0.dcm", "1.dcm#frame=1", "2.dcm#frame=2")
    )
    report = audit(table)
    said = f"{asdict(table)} {report.to_dict()} {capsys.readouterr()} {[str(w.message) for w in recwarn]}"
    assert "DICOM MONOCHROME2 16 bit" in said
    assert "Mustermann" not in said
    assert PATIENT_ID not in said
    assert BIRTH_DATE not in said


@pytest.mark.slow
def test_no_file_that_training_prediction_and_export_write_names_a_patient(
    write: Write, tmp_path: Path, tiny_config: Callable[..., Config], own_cache: Path
) -> None:
    from distune.prediction.load import load
    from distune.reporting.mistakes import write_mistakes
    from distune.training.run import run

    data = dicom_set(tmp_path / "set", lambda name, *given, **header: write(f"set/{name}", *given, **header))
    raw = as_dict(tiny_config(teacher__epochs=1, student__epochs=1))
    config = parse_config({**raw, "data": {**as_dict(data), "max_tokens": 16}})
    run(config, tmp_path / "out/run")
    load(tmp_path / "out/run").predict_table(tmp_path / "set/metadata_dev.csv").write(
        tmp_path / "out/answers.csv"
    )
    write_mistakes(tmp_path / "out/run", tmp_path / "out/mistakes.html", split="dev", most=12)
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        load(tmp_path / "out/run").export(tmp_path / "out/bundle")
    written = [
        path for folder in (tmp_path / "out", own_cache) for path in folder.rglob("*") if path.is_file()
    ]
    assert len(written) > 10
    for path in written:
        content = path.read_bytes()
        assert not any(word.encode() in content for word in ("Mustermann", PATIENT_ID, BIRTH_DATE)), path


@pytest.mark.slow
def test_window_and_frame_belong_to_the_fingerprint(write: Write, tmp_path: Path) -> None:
    config = dicom_set(tmp_path, write)
    plain = image_fingerprints(read_table(config))
    windowed = image_fingerprints(read_table(config.model_copy(update={"window": (40.0, 400.0)})))
    middle = image_fingerprints(read_table(config.model_copy(update={"frame_column": None})))
    assert not set(plain) & set(windowed)
    assert [one == other for one, other in zip(plain, middle, strict=True)][:3] == [True, False, False]


def test_a_frame_that_is_not_there_is_a_bad_example(write: Write, tmp_path: Path) -> None:
    config = dicom_set(tmp_path, write)
    write_csv(tmp_path / "metadata_dev.csv", [["file", "frame", "grade", "note"], ["scans/8.dcm", "4", "a", ""],
                                              ["scans/9.dcm", "last", "b", ""]])  # fmt: skip
    with pytest.raises(DataError, match="frame 4") as caught:
        read_table(config)
    assert "'last'" in str(caught.value)


def test_the_header_of_another_file_is_none(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    assert dicom_header_of(str(tmp_path / "a.png")) is None


def test_a_deflated_file_that_would_fill_the_memory_is_a_bad_example(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    file = pydicom.dcmread(write("a.dcm", np.zeros((1024, 2048), np.uint8)))  # more than is inflated at once
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file.save_as(file.filename)
    content = Path(file.filename).read_bytes()
    for padding in (b"", b"\0"):  # one of them has an even length, as the standard asks
        Path(file.filename).write_bytes(content + padding)
        assert image_problems([file.filename], 100.0) == [None]
    monkeypatch.setattr("distune.data.pixels.dicom.MOST_INFLATED", 2_000_000)
    of_another_length = content[:140] + b"\0" + content[141:]
    for damaged in (content, of_another_length, content[132:]):  # the last without the preamble
        Path(file.filename).write_bytes(damaged)
        (problem,) = image_problems([file.filename], 100.0)
        assert "deflated" in str(problem)
