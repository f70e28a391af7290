"""The groups under which parameters are listed."""

from __future__ import annotations

from collections.abc import Sequence

LOSS = ("alpha", "beta", "gamma", "T", "loss")
KINDS = {
    "Learning rates": ("lr",),
    "Loss weights": LOSS,
    "Regularization": ("dropout", "decay", "smoothing"),
    "Architecture": ("dim", "layers", "heads", "fusion", "tokens"),
    "Encoders": ("vision", "text"),
    "Teacher": ("teacher",),
}
PARTS = {"Learning rates": "learning", "Regularization": "regularization", "Encoders": "encoders"}
OTHER = "Other"
MEANINGS = {
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


def meaning(name: str, is_larger: bool) -> str:
    """What a smaller or a larger value of a parameter means, such as `softer targets`; empty where it is not known."""
    found = MEANINGS.get(name.rpartition("_")[2])
    return found[is_larger] if found else ""


def kind(name: str) -> str:
    """The kind of a parameter in the search space's table."""
    last = name.rpartition("_")[2]
    return next((title for title, members in KINDS.items() if last in members or name in members), OTHER)


def owner(name: str) -> str:
    """The model and the kind of a parameter in the best configuration's table."""
    role = name.partition("_")[0]
    found = kind(name)
    if role not in ("teacher", "student") or role == name:
        return found
    return f"{role.capitalize()} {PARTS.get(found, 'architecture')}"


def grouped(names: Sequence[str], titles: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of (title, name) with equal titles together, in order of first appearance.

    The title stands on the first row of its group only; the others have an empty one.
    """
    order = list(dict.fromkeys(titles))
    pairs = sorted(zip(titles, names, strict=True), key=lambda pair: order.index(pair[0]))
    return [
        (title if index == 0 or pairs[index - 1][0] != title else "", name)
        for index, (title, name) in enumerate(pairs)
    ]
