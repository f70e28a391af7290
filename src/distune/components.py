"""Losses, fusions and readers by name: one line each. A plugin adds a user's own (`distune.plugins`).

Nothing is imported until it is asked for, so that a config can be checked at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from distune.errors import UserError
from distune.utils.text import nearest_hint

if TYPE_CHECKING:
    from distune.config import DataConfig
    from distune.data.readers.raw_rows import RawTable
    from distune.distillation.base import DistillationLoss
    from distune.models.fusion.base import Fusion

Component = TypeVar("Component")


class Components(Mapping[str, Component]):
    """The components of one kind by name.

    Args:
        kind: what they are, for messages.
        places: where each of them is, as `module:attribute`.
    """

    def __init__(self, kind: str, places: Mapping[str, str]):
        self.kind = kind
        self._places = dict(places)
        self._added: dict[str, Component] = {}
        self._sources: dict[str, str] = {}

    def __getitem__(self, name: str) -> Component:
        """The component of a name."""
        if name in self._added:
            return self._added[name]
        module, _, attribute = self._places[name].partition(":")
        component: Component = getattr(importlib.import_module(module), attribute)
        return component

    def __iter__(self) -> Iterator[str]:
        """The names, built-in ones first."""
        return iter([*self._places, *self._added])

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places) + len(self._added)

    def __contains__(self, name: object) -> bool:
        """Whether there is one of a name; imports nothing."""
        return name in self._places or name in self._added

    def add(self, name: str, component: Component, source: str) -> None:
        """Adds a plugin's component.

        Args:
            name: as configs write it.
            component: the class or function.
            source: hash of the plugin's source.

        Raises:
            UserError: the name is taken, or is none.
        """
        if not (isinstance(name, str) and name.isidentifier()):
            raise UserError(f"{self.kind} {name!r}: a name has letters, digits and underscores alone")
        if name in self:
            raise UserError(f"{self.kind} {name}: there is one of this name already; choose another")
        if not callable(component):
            raise UserError(f"{self.kind} {name}: {component!r} is no class and no function")
        self._added[name] = component
        self._sources[name] = source

    def source(self, name: str) -> dict[str, str]:
        """What a key holds of a component besides its name: a plugin's source; nothing for a built-in one."""
        return {f"{self.kind}_source": self._sources[name]} if name in self._sources else {}

    def check(self, name: str) -> str:
        """Returns the name of a component that there is.

        Raises:
            ValueError: there is none of this name.
        """
        if name not in self:
            raise ValueError(
                f"unknown {self.kind}; known: {', '.join(self)}{nearest_hint(name, self)} "
                "(your own comes with --plugin MODULE, in Python with distune.plugins.load_plugins)"
            )
        return name


LOSSES: Components[type[DistillationLoss]] = Components(
    "loss",
    {
        "vanilla": "distune.distillation.losses.vanilla:VanillaLoss",
        "combined": "distune.distillation.losses.combined:CombinedLoss",
        "crd": "distune.distillation.losses.crd:ContrastiveLoss",
        "rkd": "distune.distillation.losses.rkd:RelationalLoss",
        "mmd": "distune.distillation.losses.mmd:DiscrepancyLoss",
        "dkd": "distune.distillation.losses.dkd:DecoupledLoss",
        "dist": "distune.distillation.losses.dist:CorrelationLoss",
        "attention_transfer": "distune.distillation.losses.attention_transfer:AttentionTransferLoss",
        "similarity_preserving": "distune.distillation.losses.similarity_preserving:SimilarityPreservingLoss",
        "logit_standardisation": "distune.distillation.losses.logit_standardisation:StandardisedLogitsLoss",
        "none": "distune.distillation.losses.none:NoLoss",
    },
)
FUSIONS: Components[type[Fusion]] = Components(
    "fusion",
    {
        "cross_attention": "distune.models.fusion.cross_attention:CrossAttention",
        "simple": "distune.models.fusion.simple:Simple",
        "concat_mlp": "distune.models.fusion.concat_mlp:ConcatMlp",
        "gated": "distune.models.fusion.gated:Gated",
        "transformer_concat": "distune.models.fusion.transformer_concat:TransformerConcat",
        "film": "distune.models.fusion.film:Film",
        "modality_dropout": "distune.models.fusion.modality_dropout:ModalityDropout",
        "low_rank_bilinear": "distune.models.fusion.low_rank_bilinear:LowRankBilinear",
        "bottleneck": "distune.models.fusion.bottleneck:Bottleneck",
        "energy_aware": "distune.models.fusion.energy_aware:EnergyAware",
        "soft_hard_routing": "distune.models.fusion.soft_hard_routing:SoftHardRouting",
    },
)
READERS: Components[Callable[[DataConfig], RawTable]] = Components(
    "reader",
    {
        "medpix": "distune.data.readers.medpix:read_medpix",
        "csv": "distune.data.readers.csv_tables:read_csv_tables",
        "wound": "distune.data.readers.csv_tables:read_csv_tables",
        "demo": "distune.data.readers.medpix:read_medpix",
    },
)
