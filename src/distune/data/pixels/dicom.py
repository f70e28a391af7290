"""DICOM files -> grey or RGB pixels; of their headers only what says how pixels are shown is ever read."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.decoder_messages import check_decoded
from distune.data.pixels.intensity import PixelRules, eight_bit, scaled, windowed
from distune.errors import UserError
from distune.utils.files.paths import naming

INSTALL = "DICOM files need pydicom: pip install 'distune[dicom]'"
SUFFIXES = (".dcm", ".dicom", ".ima")

# No other element is read, so no name, date of birth or number of a patient can reach a message or a file.
_HEADER = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
DEFLATED = b"1.2.840.10008.1.2.1.99"
MOST_INFLATED = 1 << 30
"""Bytes of a deflated file when it is inflated."""
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
"""Transfer syntaxes of the JPEG that image files hold, too."""
_OTHER_COLOURS = ("HSV", "CMYK", "ARGB")
"""Retired forms of DICOM, which would be shown as if they were RGB."""


@dataclass(frozen=True)
class DicomHeader:
    """What the header of a DICOM file says about its pixels.

    Attributes:
        photometric: how values stand for brightness or colour, such as MONOCHROME2.
        bits: stored bits of a value.
        frames: number of pictures in the file.
        in_units: whether the values are of a unit, or may be, so that those of 8 bits have a window too.
    """

    width: int
    height: int
    photometric: str
    bits: int
    frames: int
    in_units: bool = False


def is_dicom(content: bytes) -> bool:
    """Whether a file begins as DICOM Part 10 files do."""
    return content[128:132] == b"DICM"


def dicom_header_of(path: str) -> DicomHeader | None:
    """Reads size and form of the pixels without decoding them; None of a file that is no DICOM file.

    Raises:
        UserError: pydicom is not installed, or the file has no pixels or is damaged.
        OSError: the file cannot be read.
    """
    with naming(Path(path)), Path(path).open("rb") as file:
        return dicom_header_in(file, path)


def dicom_header_in(file: BinaryIO, path: str) -> DicomHeader | None:
    """What `dicom_header_of` gives for a file that is open at its start; it is then read to an unknown place."""
    start = file.read(132)
    if not (is_dicom(start) or (start and path.lower().endswith(SUFFIXES))):
        return None
    return _header(_read(start + file.read(), _HEADER))


def read_dicom(content: bytes, rules: PixelRules, frame: int | None = None) -> NDArray[np.uint8]:
    """Decodes one frame as a viewer shows it: rescaled, windowed, and with MONOCHROME1 inverted.

    The window is that of `rules`, else the first one of the file, else its VOI look-up table, else the percentiles of
    `rules`. Values of 8 bits that stand for nothing but brightness are shown as they are; padding is black.

    Args:
        content: the file.
        rules: window and percentiles.
        frame: number of the frame, from 1 as DICOM counts them; None takes the middle one.

    Returns:
        uint8 of shape (height, width), or (height, width, 3) in RGB order.

    Raises:
        UserError: pydicom or one of its decoders is missing, there is no such frame, or the file is damaged.
    """
    file = _read(content, (*_HEADER, *_PIXELS))
    header = _header(file)
    number = (header.frames + 1) // 2 if frame is None else frame
    if not 1 <= number <= header.frames:
        raise UserError(f"there is no frame {number}; the file has {header.frames}, counted from 1")
    try:
        values = _decoded(file, number - 1)
        if file.file_meta.TransferSyntaxUID in _JPEG:
            _check_jpeg(file, number - 1, header.frames)
        if header.photometric == "PALETTE COLOR":
            return _coloured(values, file)
        if header.photometric in _OTHER_COLOURS:
            raise UserError(
                f"colours as {header.photometric}, which are not converted; save the picture as RGB"
            )
        if values.ndim == 3:
            return eight_bit(values, rules)
        return _shown(values, file, _functional_groups(file, number - 1), header, rules)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # elements that are missing, cut or of another form than DICOM says
        raise UserError(f"damaged DICOM header ({type(error).__name__})") from None


def _coloured(values: NDArray[Any], file: Any) -> NDArray[np.uint8]:
    """Colours by the file's palette; of its entries of 16 bits the upper 8, where they are not values of 8 bits."""
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(values, file)
    if colours.dtype == np.uint16 and not _has_eight_bit_entries(file):
        colours >>= 8
    return np.asarray(colours, np.uint8)


def _has_eight_bit_entries(file: Any) -> bool:
    """Whether a palette that stores 16 bits an entry holds numbers of 8, as its descriptor, or some writers, say."""
    tables = [file.get(f"{name}PaletteColorLookupTableData") for name in ("Red", "Green", "Blue")]
    return all(tables) and all(np.frombuffer(table, np.uint16).max() < 256 for table in tables)


def _shown(
    values: NDArray[Any], file: Any, groups: list[Any], header: DicomHeader, rules: PixelRules
) -> NDArray[np.uint8]:
    inverted = header.photometric == "MONOCHROME1" or file.get("PresentationLUTShape") == "INVERSE"
    padding = _padding(values, file)
    units, in_units = _rescaled(values, file, groups)
    display = next((item for item in (*groups, file) if item.get("WindowCenter") is not None), None)
    is_plain = header.bits <= 8 and not in_units
    if rules.window is not None and not is_plain:
        grey = windowed(units, rules.window)
    elif display is not None and display.get("WindowWidth") is not None:
        window = (_first(display.WindowCenter), _first(display.WindowWidth))
        if window[1] <= 0:
            raise ValueError("a window without a width")
        grey = windowed(units, window, str(display.get("VOILUTFunction") or "LINEAR"))
    elif file.get("VOILUTSequence"):
        from pydicom.pixels.processing import apply_voi

        table = file.VOILUTSequence[0]
        top = 2.0 ** int(table.LUTDescriptor[2]) - 1.0
        grey = np.rint(apply_voi(values, file) / top * 255.0).clip(0, 255).astype(np.uint8)
    elif is_plain and values.dtype == np.uint8:
        grey = np.rint(values * (255.0 / (2**header.bits - 1))).astype(np.uint8)
    else:
        grey = scaled(units, rules, None if padding is None or padding.all() else ~padding)
    if inverted:
        grey = 255 - grey
    if padding is not None:
        grey = np.where(padding, np.uint8(0), grey)
    return grey


def _rescaled(values: NDArray[Any], file: Any, groups: list[Any]) -> tuple[NDArray[Any], bool]:
    """Stored values -> the file's units, and whether the file says that it has any."""
    if file.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        return apply_modality_lut(values, file), True
    holder = next((item for item in (*groups, file) if item.get("RescaleSlope") is not None), None)
    if holder is None:
        return values, False
    slope, intercept = _finite(holder.RescaleSlope), _finite(holder.get("RescaleIntercept") or 0.0)
    if slope == 0.0:
        raise UserError("a RescaleSlope of 0, which makes all pixels the same")
    if (slope, intercept) == (1.0, 0.0):
        return values, False
    return values.astype(np.float64) * slope + intercept, True


def _padding(values: NDArray[Any], file: Any) -> NDArray[np.bool_] | None:
    """The pixels outside of the picture; None where the file names no value for them."""
    first = file.get("PixelPaddingValue")
    if not isinstance(first, int) or values.dtype.kind == "f":
        return None
    last = file.get("PixelPaddingRangeLimit")
    low, high = sorted((first, last if isinstance(last, int) else first))
    return (values >= low) & (values <= high)


def _functional_groups(file: Any, index: int) -> list[Any]:
    """The items of an enhanced multi-frame file that hold window and rescaling, those of the frame first."""
    items = []
    for sequence, place in (
        ("PerFrameFunctionalGroupsSequence", index),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        group = file.get(sequence)
        if group and place < len(group):
            for name in ("FrameVOILUTSequence", "PixelValueTransformationSequence"):
                items += list(group[place].get(name) or ())[:1]
    return items


def _first(value: Any) -> float:
    return _finite(value if isinstance(value, str) or not hasattr(value, "__len__") else value[0])


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def _header(file: Any) -> DicomHeader:
    try:
        return DicomHeader(
            width=int(file.Columns),
            height=int(file.Rows),
            photometric=str(file.get("PhotometricInterpretation", "MONOCHROME2")),
            bits=int(file.get("BitsStored") or file.get("BitsAllocated") or 16),
            frames=int(file.get("NumberOfFrames") or 1),
            in_units=_may_be_in_units(file),
        )
    except (AttributeError, TypeError, ValueError):
        raise UserError("a DICOM file without pixels (it has no rows and columns)") from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom decodes an element when it is asked for, and raises what it likes
        raise UserError(f"damaged DICOM header ({type(error).__name__})") from None


def _may_be_in_units(file: Any) -> bool:
    try:
        slope, intercept = float(file.get("RescaleSlope") or 1), float(file.get("RescaleIntercept") or 0)
    except (TypeError, ValueError):  # damaged, as the reading says
        return True
    return (slope, intercept) != (1.0, 0.0) or bool(
        file.get("ModalityLUTSequence") or file.get("SharedFunctionalGroupsSequence")
    )


def _read(content: bytes, tags: tuple[str, ...]) -> Any:
    try:
        from pydicom import dcmread
    except ModuleNotFoundError:
        raise UserError(INSTALL) from None
    try:
        _check_inflated(content)
        return dcmread(
            BytesIO(content),
            specific_tags=list(tags),
            force=not is_dicom(content),
            stop_before_pixels=tags is _HEADER,
        )
    except (UserError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of the parser
        raise UserError(f"damaged, or not a DICOM file ({type(error).__name__})") from None


def _check_inflated(content: bytes) -> None:
    """Refuses a deflated file, which pydicom inflates as a whole, that a few bytes make larger than the memory.

    Raises:
        UserError: it is such a file.
    """
    if DEFLATED not in content:
        return
    from pydicom.filereader import read_dataset

    file = BytesIO(content)
    file.seek(132 if is_dicom(content) else 0)
    # As pydicom finds the end of the header: not by the length that the header says it has.
    header = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if str(header.get("TransferSyntaxUID")).encode() != DEFLATED:
        return
    inflater, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, file.read()
    # After the end of the stream a byte that makes its length even stays as the rest.
    while rest and not inflater.eof and size <= MOST_INFLATED:
        size += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
    if size > MOST_INFLATED:
        raise UserError(f"a deflated DICOM file of more than {MOST_INFLATED >> 20:,} MB")


def _check_jpeg(file: Any, index: int, frames: int) -> None:
    """Refuses a damaged JPEG: pydicom decodes it with Pillow, which makes grey of what is damaged and says nothing.

    Raises:
        UserError: it is damaged.
    """
    from pydicom.encaps import get_frame

    tables = (file.get("ExtendedOffsetTable"), file.get("ExtendedOffsetTableLengths"))
    jpeg = get_frame(
        file.PixelData, index, number_of_frames=frames, extended_offsets=tables if all(tables) else None
    )
    encoded = np.frombuffer(jpeg, np.uint8)
    check_decoded(lambda: cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), jpeg)


def _decoded(file: Any, index: int) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import UID

    syntax = getattr(file.file_meta, "TransferSyntaxUID", None)
    if syntax is None:  # a file of the time before Part 10
        from pydicom.uid import ImplicitVRLittleEndian

        file.file_meta.TransferSyntaxUID = syntax = ImplicitVRLittleEndian
    try:
        return np.asarray(pixel_array(file, index=index))
    except MemoryError:
        raise
    except Exception as error:  # pydicom and its decoders raise what they like on damaged pixels
        name = UID(syntax).name
        if isinstance(error, RuntimeError) and "missing dependencies" in str(error):
            raise UserError(
                f"pixels compressed as {name}; pydicom needs a decoder for it: pip install "
                "pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
            ) from None
        raise UserError(f"damaged DICOM pixels ({name}, {type(error).__name__})") from None
