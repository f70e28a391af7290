"""A pretended accelerator on a CPU build of torch.

Tensors keep their values on the CPU; each storage carries a tag that says whether it lies on the device. Whatever the
real device would refuse raises here: an operation on tensors of different devices, `.numpy()` of a device tensor,
float64 on mps, peaks of a CUDA device that nobody has initialised. Whatever would make the host wait for the device is
counted, by the line of Distune that asked for it. Streams of CUDA have their order: what another stream has made may be
read only where an event behind it was waited for, and only by a stream that the memory is recorded for. It cannot see
kernels that a backend lacks.
"""

from __future__ import annotations

import sys
import threading
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from distune.data import device_arrays

CPU = torch.device("cpu")
REFUSED_BY_MPS = (torch.float64, torch.complex128, torch.uint16, torch.uint32, torch.uint64)
COPIES = {"aten.copy_.default", "aten._to_copy.default", "aten.copy.default", "aten._foreach_copy_.default"}
INDEXING = {
    "aten.index.Tensor",
    "aten.index_put_.default",
    "aten._index_put_impl_.default",
    "aten.index_put.default",
}
"""Operations that take indices on the CPU for a tensor on the device; copying them makes the host wait."""
WAITING = {
    "aten._local_scalar_dense.default",
    "aten.nonzero.default",
    "aten.masked_select.default",
    "aten.equal.default",
    "aten._unique2.default",
}
"""Operations whose result, or its shape, the host has to know before it can continue."""
_GET_DEVICE, _GET_IS_CUDA, _GET_IS_MPS = (
    getattr(torch.Tensor, name).__get__ for name in ("device", "is_cuda", "is_mps")
)
_TO_PYTHON = {
    getattr(torch.Tensor, n) for n in ("item", "tolist", "__bool__", "__float__", "__int__", "__index__")
}
_FROM_DATA = ("tensor", "as_tensor", "asarray")


class MixedDevices(RuntimeError):
    """An operation on tensors that do not lie on one device."""


class UnorderedStreams(RuntimeError):
    """An operation on what another stream may not have made yet, or may have given back meanwhile."""


class PretendedStream:
    """A queue of operations on the device."""

    def __init__(self, device: PretendedDevice):
        self._device = device
        self.issued = 0
        self.seen: dict[PretendedStream, int] = {}
        """Up to which operation of another stream this one has waited for."""

    def record_event(self) -> PretendedEvent:
        return PretendedEvent(self._device, {**self.seen, self: self.issued})

    def wait_event(self, event: PretendedEvent) -> None:
        for stream, issued in event.behind.items():
            self.seen[stream] = max(issued, self.seen.get(stream, 0))

    def wait_stream(self, other: PretendedStream) -> None:
        self.wait_event(other.record_event())

    def synchronize(self) -> None:
        self._device.note_wait("stream.synchronize")


class PretendedEvent:
    """A mark behind what was issued so far."""

    def __init__(self, device: PretendedDevice, behind: dict[PretendedStream, int]):
        self._device = device
        self.behind = behind

    def synchronize(self) -> None:
        self._device.note_wait("event.synchronize")


class PretendedDevice:
    """The device, what lies on it, and what the host had to wait for.

    Args:
        kind: cuda or mps.

    Attributes:
        device: as tensors on it show it.
        waits: how often the host waited, by place.
        copies: how often something was copied to the device or from it, by place.
        is_initialised: whether anybody has used it.
    """

    def __init__(self, kind: str):
        self.device = torch.device(kind, 0)
        self.waits: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.is_initialised = False
        # By address; the weak reference keeps another storage from getting the address of one that is gone.
        self._there: dict[int, StorageWeakRef] = {}
        self._pinned: dict[int, StorageWeakRef] = {}
        self.factories = (
            threading.local()
        )  # whether an operation without tensors makes its result on the device
        self.computing = self.stream = PretendedStream(self)
        self.order: list[str] = []
        """What was issued to the device: "copy" on a stream of its own, "operation" on that of the computation."""
        self._made: dict[int, tuple[PretendedStream, int]] = {}
        self._recorded: dict[int, set[PretendedStream]] = {}

    def holds(self, tensor: Tensor) -> bool:
        return _storage(tensor) in self._there

    def put(self, tensor: Tensor, on_device: bool | None) -> Tensor:
        if on_device and self.device.type == "mps" and tensor.dtype in REFUSED_BY_MPS:
            raise TypeError(f"Cannot convert a MPS Tensor to {tensor.dtype}, at {_place()}")
        self.is_initialised |= bool(on_device)
        self._pinned.pop(_storage(tensor), None)
        if on_device:
            self._there[_storage(tensor)] = StorageWeakRef(tensor.untyped_storage())
            self._recorded.pop(_storage(tensor), None)
            self.stream.issued += 1
            self._made[_storage(tensor)] = (self.stream, self.stream.issued)
        else:
            self._there.pop(_storage(tensor), None)
        return tensor

    def read(self, name: str, tensor: Tensor) -> None:
        """Refuses what the current stream may not read yet, or no longer."""
        stream, issued = self._made[_storage(tensor)]
        if stream is self.stream:
            return
        if self.stream.seen.get(stream, 0) < issued:
            raise UnorderedStreams(f"{name} reads what another stream has not made yet, at {_place()}")
        if stream is not self.computing and self.stream not in self._recorded.get(_storage(tensor), ()):
            raise UnorderedStreams(f"{name} reads memory that is not recorded for its stream, at {_place()}")

    def record(self, tensor: Tensor, stream: PretendedStream) -> None:
        self._recorded.setdefault(_storage(tensor), set()).add(stream)

    @contextmanager
    def on(self, stream: PretendedStream) -> Iterator[None]:
        before, self.stream = self.stream, stream
        try:
            yield
        finally:
            self.stream = before

    def pin(self, tensor: Tensor) -> Tensor:
        self._pinned[_storage(tensor)] = StorageWeakRef(tensor.untyped_storage())
        return tensor

    def is_pinned(self, tensor: Tensor) -> bool:
        return _storage(tensor) in self._pinned

    def is_meant_by(self, device: Any) -> bool:
        return torch.device(device).type == self.device.type

    def note_wait(self, how: str) -> None:
        self.waits[f"{_place()} ({how})"] += 1

    def note_copy(self, how: str) -> None:
        self.copies[f"{_place()} ({how})"] += 1

    def reset_peaks(self, device: object = None) -> None:
        if not self.is_initialised:
            raise RuntimeError(f"Invalid device argument {device}: did you call init?")

    def initialise(self) -> None:
        self.is_initialised = True


def _tensors(*values: Any) -> list[Tensor]:
    """The tensors among values, in tuples and lists too."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list) and value:
            found += _tensors(*value)
    return found


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _place() -> str:
    """The innermost line of Distune that is running, or of anything but this file and torch."""
    other, frame = "?", sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/src/distune/" in file:
            return f"{file.rpartition('/src/distune/')[2]}:{frame.f_lineno}"
        if other == "?" and file != __file__ and "/torch/" not in file:
            other = f"{file}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return other


class _Operations(TorchDispatchMode):
    """What the device's kernels would refuse, and where their results lie."""

    def __init__(self, pretended: PretendedDevice):
        super().__init__()
        self._pretended = pretended
        self._names: dict[Any, str] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled, and to say so costs as much as an operation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        pretended, kwargs = self._pretended, kwargs or {}
        name = self._names.get(func) or self._names.setdefault(func, str(func))
        tensors = _tensors(*args, *kwargs.values())
        there = [pretended.holds(tensor) for tensor in tensors]
        on_device = True in there
        if on_device:
            self._before(name, tensors, there)
        result = func(*args, **kwargs)
        if on_device:
            self._after(name, tensors)
        if name == "aten.copy_.default":
            if there[0] != there[1]:
                pretended.note_copy("copy_")
                pretended.note_wait("copy_")
            return result
        if not tensors:
            on_device = getattr(pretended.factories, "on_device", False)
        for made in [result] if isinstance(result, Tensor) else _tensors(result):
            if not any(made is tensor for tensor in tensors):
                pretended.put(made, on_device)
        return result

    def _before(self, name: str, tensors: list[Tensor], there: list[bool]) -> None:
        if False in there and name not in COPIES:
            self._check(name, tensors, there)
        for tensor, is_there in zip(tensors, there, strict=True):
            if is_there:
                self._pretended.read(name, tensor)
        self._pretended.order.append("operation")

    def _after(self, name: str, tensors: list[Tensor]) -> None:
        if name in WAITING:
            self._pretended.note_wait(name.split(".")[1])
        if name in INDEXING and any(t.dtype == torch.bool for t in tensors[1:3]):
            self._pretended.note_wait("boolean mask")

    def _check(self, name: str, tensors: list[Tensor], there: list[bool]) -> None:
        if name in INDEXING and there[0]:
            self._pretended.note_wait("indices from the CPU")
            return
        # A number that torch wrapped into a tensor of no dimension may lie anywhere.
        if (
            any(not on and tensor.dim() > 0 for tensor, on in zip(tensors, there, strict=True))
            or name in INDEXING
        ):
            where = ["device" if on else "cpu" for on in there]
            raise MixedDevices(f"{name}: {[tuple(t.shape) for t in tensors]} on {where} at {_place()}")


class _Calls(TorchFunctionMode):
    """What tensors say of their device, and copies from one to the other."""

    def __init__(self, pretended: PretendedDevice):
        super().__init__()
        self._pretended = pretended

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        pretended, kwargs = self._pretended, dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if func == _GET_DEVICE:
            return pretended.device if pretended.holds(args[0]) else func(*args)
        if func in (_GET_IS_CUDA, _GET_IS_MPS):
            asked = "cuda" if func == _GET_IS_CUDA else "mps"
            return pretended.device.type == asked and pretended.holds(args[0])
        if name == "__get__":
            return func(*args, **kwargs)
        if name in ("numpy", "__array__") and pretended.holds(args[0]):
            raise TypeError(f"can't convert {pretended.device} device type tensor to numpy at {_place()}")
        if func == torch.Tensor.cpu:
            return self._moved(args[0], CPU, copy=False, waits=True)
        if func == torch.Tensor.to:
            return self._to(args, kwargs)
        if func == torch.Tensor.pin_memory:
            if pretended.holds(args[0]):
                raise RuntimeError("cannot pin a device tensor")
            return pretended.pin(args[0].clone())
        if func == torch.Tensor.is_pinned:
            return pretended.is_pinned(args[0])
        if func in _TO_PYTHON and args and isinstance(args[0], Tensor) and pretended.holds(args[0]):
            pretended.note_wait(name)
            with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
                return func(*args, **kwargs)
        if name == "new_tensor" or (name in _FROM_DATA and kwargs.get("device") is not None):
            return self._from_data(func, name, args, kwargs)
        if name in _FROM_DATA:
            with self._making(False):
                return func(*args, **kwargs)
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type in (
            "cpu",
            pretended.device.type,
        ):
            on_device = pretended.is_meant_by(kwargs.pop("device"))
            with self._making(on_device):
                result = func(*args, **kwargs)
            for made in _tensors(result):
                pretended.put(made, on_device)
            return result
        # Composites in C++ and backward passes make helpers where their arguments lie.
        factories = pretended.factories
        before = getattr(factories, "on_device", False)
        factories.on_device = any(map(pretended.holds, _tensors(*args, *kwargs.values())))
        try:
            return func(*args, **kwargs)
        finally:
            factories.on_device = before

    def _to(self, args: Any, kwargs: dict[str, Any]) -> Any:
        tensor, device = args[0], kwargs.pop("device", None)
        non_blocking, copy = kwargs.pop("non_blocking", False), kwargs.pop("copy", False)
        dtype, flags = kwargs.pop("dtype", None), []
        for value in args[1:]:
            if isinstance(value, torch.device | str):
                device = value
            elif isinstance(value, torch.dtype):
                dtype = value
            elif isinstance(value, Tensor):
                device, dtype = value.device, value.dtype
            elif isinstance(value, bool):
                flags.append(value)
        non_blocking, copy = (flags + [non_blocking, copy][len(flags) :])[:2]
        if device is not None:
            # The way to the device is free where the memory is pinned; nothing that comes back can be read at once.
            to_device = self._pretended.is_meant_by(device)
            waits = not (to_device and non_blocking and self._pretended.is_pinned(tensor))
            tensor = self._moved(tensor, torch.device(device), copy=copy, waits=waits)
        on_device = self._pretended.holds(tensor)
        if (dtype is None or dtype == tensor.dtype) and not kwargs:
            return tensor
        options = kwargs if dtype is None else {"dtype": dtype, **kwargs}
        with self._making(on_device):
            return torch.Tensor.to(tensor, **options)

    def _moved(self, tensor: Tensor, device: torch.device, *, copy: bool, waits: bool) -> Tensor:
        pretended, on_device = self._pretended, self._pretended.is_meant_by(device)
        if on_device == pretended.holds(tensor):
            return tensor.clone() if copy else tensor
        way = "to the device" if on_device else "from the device"
        pretended.note_copy(way)
        if waits:
            pretended.note_wait(way)
        elif pretended.stream is not pretended.computing:
            pretended.order.append("copy")
        return pretended.put(tensor.clone(memory_format=torch.preserve_format), on_device)

    def _from_data(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Tensor:
        device = kwargs.pop("device", None)
        on_device = (
            self._pretended.is_meant_by(device) if device is not None else self._pretended.holds(args[0])
        )
        if name == "as_tensor" and isinstance(args[0], Tensor):
            moved: Tensor = args[0].to(device)
            return moved
        with self._making(False):
            made = func(*args, **kwargs)
        if on_device:
            self._pretended.note_copy(name)
            self._pretended.note_wait(name)
        return self._pretended.put(made, on_device)

    @contextmanager
    def _making(self, on_device: bool) -> Iterator[None]:
        factories = self._pretended.factories
        before = getattr(factories, "on_device", False)
        factories.on_device = on_device
        try:
            yield
        finally:
            factories.on_device = before


class _Autocast(torch.amp.autocast_mode.autocast):
    """The CPU's autocast under the device's name."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any):
        super().__init__("cpu", *args, **kwargs)


_PROPERTIES = types.SimpleNamespace(name="Pretended H100", major=9, minor=0, total_memory=80 * 2**30)


def _machine(pretended: PretendedDevice) -> dict[str, dict[str, Any]]:
    """What torch says of the machine, by module."""
    is_cuda = pretended.device.type == "cuda"
    cuda = {
        "is_available": lambda: is_cuda,
        "device_count": lambda: int(is_cuda),
        "init": lambda: pretended.initialise(),
        "set_device": lambda device: pretended.initialise(),
        "current_device": lambda: 0,
        "reset_peak_memory_stats": pretended.reset_peaks,
        "max_memory_allocated": lambda device=None: 123 * 2**20,
        "mem_get_info": lambda device=None: (64 * 2**30, 80 * 2**30),
        "get_device_name": lambda device=None: _PROPERTIES.name,
        "get_device_properties": lambda device=None: _PROPERTIES,
        "get_device_capability": lambda device=None: (9, 0),
        "is_bf16_supported": lambda including_emulation=True: True,
        "synchronize": lambda device=None: pretended.note_wait("synchronize"),
        "Stream": lambda device=None: PretendedStream(pretended),
        "current_stream": lambda device=None: pretended.stream,
        "stream": pretended.on,
    }
    mps = {
        "driver_allocated_memory": lambda: 123 * 2**20,
        "current_allocated_memory": lambda: 100 * 2**20,
        "recommended_max_memory": lambda: 16 * 2**30,
    }
    return {
        "torch.cuda": cuda,
        "torch.mps": mps,
        "torch.backends.mps": {
            "is_available": lambda: not is_cuda,
            "is_macos_or_newer": lambda major, minor: not is_cuda,
        },
    }


def _on_cpu(pretended: PretendedDevice, function: Any) -> Any:
    """A constructor that torch hides from these modes: its result lies on the CPU."""
    return lambda *args, **kwargs: pretended.put(function(*args, **kwargs), False)


def _grouped(pretended: PretendedDevice) -> Any:
    """C++ groups tensors by the device that it sees."""

    def group(lists: Any, with_indices: bool = False) -> Any:
        found = torch._C._group_tensors_by_device_and_dtype(lists, with_indices)
        there = any(tensor is not None and pretended.holds(tensor) for tensor in lists[0])
        return {
            (pretended.device if there else device, dtype): group for (device, dtype), group in found.items()
        }

    return group


@contextmanager
def pretended(kind: str) -> Iterator[PretendedDevice]:
    """Everything inside runs on a machine with one such device."""
    device = PretendedDevice(kind)
    device_arrays._copy_stream.cache_clear()  # a stream belongs to its device
    with ExitStack() as stack:
        stack.callback(device_arrays._copy_stream.cache_clear)
        for module, values in _machine(device).items():
            for name, value in values.items():
                stack.enter_context(patch(f"{module}.{name}", value, create=True))
        stack.enter_context(patch("torch.autocast", _Autocast))
        record = patch.object(torch.Tensor, "record_stream", lambda *arguments: device.record(*arguments))
        stack.enter_context(record)
        for name in ("from_numpy", "frombuffer"):
            stack.enter_context(patch(f"torch.{name}", _on_cpu(device, getattr(torch, name))))
        for module in ("torch.nn.utils.clip_grad", "torch.optim.optimizer"):
            stack.enter_context(patch(f"{module}._group_tensors_by_device_and_dtype", _grouped(device)))
        stack.enter_context(_Calls(device))
        stack.enter_context(_Operations(device))
        yield device
