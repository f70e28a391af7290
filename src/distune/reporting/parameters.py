"""How the parameters of a search space are shown: their labels, values, ranges, meanings and groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from distune.analysis.parameters.space import Parameter
from distune.reporting.formats import DASH, plain
from distune.utils.numbers import is_number
from distune.utils.text import counted

LABELS = {"lr": "LR", "alpha": "Alpha", "beta": "Beta", "gamma": "Gamma", "T": "T"}
DECIMALS = {"alpha": ".3f", "beta": ".1f", "gamma": ".3f", "T": ".2f", "dropout": ".3f"}
SCIENTIFIC = ("lr", "decay")
LOG_SCALE = " (log scale)"
LOSS = {
    "alpha": "label weight",
    "beta": "distillation weight",
    "gamma": "contrastive weight",
    "T": "temperature",
}
"""What the parameters of a loss are."""
KINDS = {
    "Learning rates": ("lr",),
    "Loss weights": (*LOSS, "loss"),
    "Regularization": ("dropout", "decay", "smoothing"),
    "Architecture": ("dim", "layers", "heads", "fusion", "tokens"),
    "Encoders": ("vision", "text"),
    "Teacher": ("teacher",),
}
PARTS = {"Learning rates": "learning", "Regularization": "regularization", "Encoders": "encoders"}
OTHER = "Other"
ENDS = {
    "lr": ("smaller steps", "larger steps"),
    "alpha": ("less weight on the labels", "more weight on the labels"),
    "beta": ("weaker distillation", "stronger distillation"),
    "gamma": ("weaker contrastive loss", "stronger contrastive loss"),
    "T": ("sharper targets", "softer targets"),
    "dropout": ("weaker regularization", "stronger regularization"),
    "decay": ("weaker regularization", "stronger regularization"),
    "dim": ("a narrower fusion", "a wider fusion"),
    "layers": ("a shallower fusion", "a deeper fusion"),
    "heads": ("fewer attention patterns", "more attention patterns"),
}
"""What smaller and larger values mean for training."""


def label(name: str) -> str:
    """A parameter's name as a column header: `teacher_lr` is `Teacher LR`."""
    return " ".join(LABELS.get(word, word[:1].upper() + word[1:]) for word in plain(name).split("_") if word)


def value(name: str, held: Any) -> str:
    """A parameter's value in the format of its kind: `4.79e-05`, `0.518`, `112.4`, `3.19`, `384`."""
    if held is None:
        return DASH
    if not isinstance(held, float):
        return plain(held)
    last = name.rpartition("_")[2]
    if last in SCIENTIFIC:
        return f"{held:.2e}"
    if last in DECIMALS:
        return format(held, DECIMALS[last])
    return f"{held:.4g}"


def values(name: str, ends: Sequence[float]) -> str:
    """The lowest and the highest of a parameter's values, such as `7.40e+02 to 1.48e+04`; one where they are equal."""
    return " to ".join(dict.fromkeys(value(name, int(end) if end.is_integer() else end) for end in ends))


def change(name: str, parameter: Parameter | None, new: Any, base: Any) -> str:
    """How a value differs from its base: `↑ 4.8×`, `↓ 1 layer`, `Changed`, `Same`, or a dash where unknown."""
    if base is None or new is None:
        return DASH
    if new == base:
        return "Same"
    if not (is_number(new) and is_number(base)):
        return "Changed"
    arrow = "↑" if new > base else "↓"
    if isinstance(new, int) and isinstance(base, int):
        difference = abs(new - base)
        if name.endswith("layers"):
            return f"{arrow} {counted(difference, 'layer')}"
        return f"{arrow} {difference}"
    if new <= 0 or base <= 0:
        return f"{arrow} {abs(new - base):.4g}"
    ratio = max(new / base, base / new)
    if ratio < 1.05:
        return f"{arrow} {100 * (ratio - 1):.1f} %"
    return f"{arrow} {ratio * (1 + 1e-9):.1f}×"


def fusion(params: Mapping[str, Any], role: str) -> str | None:
    """The fusion of a model in one cell, such as `dim=384, layers=2, heads=8`; None without any of the three."""
    parts = [
        f"{part}={plain(params[f'{role}_fusion_{part}'])}"
        for part in ("dim", "layers", "heads")
        if f"{role}_fusion_{part}" in params
    ]
    return ", ".join(parts) or None


def bounds(parameter: Parameter) -> str:
    """The range of a parameter: `[5e-6, 1e-4] (log scale)`, `[0.5, 2.0]`, `[1, 3]` or `{256, 384, 512}`."""
    if parameter.kind == "categorical" and len(parameter.choices) == 1:
        return plain(parameter.choices[0])
    if parameter.kind == "categorical":
        return "{" + ", ".join(plain(choice) for choice in parameter.choices) + "}"
    low, high = (short(parameter, end) for end in (parameter.low, parameter.high))
    text = f"[{low}, {high}]" if low != high else low
    if parameter.log:
        text += LOG_SCALE
    if parameter.step is not None:
        text += f" (step {parameter.step:g})"
    return text


def short(parameter: Parameter, end: float | None) -> str:
    """An end of a range as briefly as it can be written: `5e-6`, `0.5`, `3`."""
    if end is None:
        return DASH
    if parameter.kind == "int":
        return str(int(end))
    if parameter.log and not 1e-2 <= end < 1e4:
        return str(np.format_float_scientific(end, trim="-", exp_digits=1))
    return str(float(f"{end:.4g}"))


def meaning(name: str, is_larger: bool) -> str:
    """What a smaller or a larger value of a parameter means, such as `softer targets`; empty where it is not known."""
    found = ENDS.get(name.rpartition("_")[2])
    return found[is_larger] if found else ""


def kind(name: str) -> str:
    """The kind of a parameter in the search space's table."""
    last = name.rpartition("_")[2]
    return next((title for title, members in KINDS.items() if last in members), OTHER)


def owner(name: str) -> str:
    """The model and the kind of a parameter in the best configuration's table."""
    role = name.partition("_")[0]
    found = kind(name)
    if role not in ("teacher", "student") or role == name:
        return found
    return f"{role.capitalize()} {PARTS.get(found, 'architecture')}"


def grouped(names: Iterable[str], title_of: Callable[[str], str]) -> list[tuple[str, str]]:
    """Pairs of (title, name) with equal titles together, in order of first appearance.

    The title stands on the first row of its group only; the others have an empty one.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(title_of(name), []).append(name)
    return [
        ("" if place else title, name) for title, group in groups.items() for place, name in enumerate(group)
    ]
