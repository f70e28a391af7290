"""Teacher and student are one class: encoders of image and text, a fusion, and one linear head a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distune.config import Modality, ModelConfig
from distune.data.table import Task
from distune.models.encoders.base import Encoder, TextEncoder, VisionEncoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.build_cache import copied
from distune.models.encoders.fingerprint import identity
from distune.models.fusion import FUSIONS, Fusion, FusionOutput, masked_mean
from distune.models.outputs import Absent, ModelOutput

NAMES: tuple[Modality, Modality] = ("image", "text")


class Classifier(nn.Module):
    """Image and text, or one of them -> logits of every task.

    With one encoder there is nothing to fuse: the heads read its projected mean.

    Args:
        config: the model's section.
        tasks: the label columns, in the order of the logits.
        vision: image encoder; None where the model reads no image.
        text: text encoder; None where it reads no text.
        can_miss: whether an example may lack its image or its text; the model then has a vector for either.
    """

    def __init__(
        self,
        config: ModelConfig,
        tasks: Sequence[Task],
        vision: VisionEncoder | None,
        text: TextEncoder | None,
        *,
        can_miss: bool = False,
    ):
        super().__init__()
        dim = config.fusion_dim
        self.tasks = tuple(tasks)
        self.vision = vision
        self.text = text
        # The norms have no weights: the linear layers can express them, and so a norm costs no backward pass where
        # the encoder is frozen.
        if vision is not None:
            self.image_norm = nn.LayerNorm(vision.width, elementwise_affine=False)
            self.image_projection = nn.Linear(vision.width, dim)
        if text is not None:
            self.text_norm = nn.LayerNorm(text.width, elementwise_affine=False)
            self.text_projection = nn.Linear(text.width, dim)
        self.fusion: Fusion | None = None
        if vision is not None and text is not None:
            self.fusion = FUSIONS[config.fusion](
                dim, config.fusion_layers, config.fusion_heads, config.dropout
            )
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleList(nn.Linear(dim, len(task.classes)) for task in tasks)
        # Zeros, so that they draw no random number: a model without them is the same model.
        self.can_miss, self.modality_dropout = can_miss, config.modality_dropout
        if can_miss:
            self.absent = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim)) for name in self.modalities})
        self.is_pooled = (
            self.fusion is None or config.fusion_tokens == "pooled" or "fusion_tokens" in self.fusion.ignores
        )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model reads: image, text, or both."""
        image: tuple[Modality, ...] = ("image",) if self.vision is not None else ()
        return (*image, "text") if self.text is not None else image

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """The encoders that there are, the image's first."""
        return tuple(encoder for encoder in (self.vision, self.text) if encoder is not None)

    def image_tokens(self, image: Tensor | None) -> Tensor:
        """Normalised tokens (B, S, width); their mean, kept from before, stands for all of them as one token."""
        if self.vision is None or image is None:
            raise ValueError("image tokens need an image, and a model that reads it")
        return image.unsqueeze(1) if image.dim() == 2 else self.image_norm(self.vision.suffix(image))

    def text_tokens(self, text: Tensor | None, text_mask: Tensor | None) -> Tensor:
        """Normalised tokens (B, L, width); their mean, kept from before, stands for all of them as one token."""
        if self.text is None or text is None:
            raise ValueError("text tokens need a text, and a model that reads it")
        is_mean = text.dim() == 2 and text.is_floating_point()
        return text.unsqueeze(1) if is_mean else self.text_norm(self.text.suffix(text, text_mask))

    def forward(
        self,
        image: Tensor | None,
        text: Tensor | None,
        text_mask: Tensor | None,
        *,
        with_map: bool = True,
        absent: Absent = (None, None),
    ) -> ModelOutput:
        """Classifies a batch; what the model does not read may be None.

        Args:
            image: what `vision.prefix` returned; raw pixels where nothing is frozen. Or the mean of `image_tokens`,
                (B, width), where the fusion is pooled and no map is asked for.
            text: what `text.prefix` returned; token ids where nothing is frozen. Or the mean of `text_tokens`,
                (B, width), where the fusion is pooled.
            text_mask: true at real tokens, bool (B, L); every text has at least one.
            with_map: compute `image_map`; without it the map has no columns, and a pooled fusion need not project
                every token, which is most of its cost.
            absent: which examples lack their image, and their text; what stands in its place is not read.
        """
        absent = self._absent(absent, image if image is not None else text)
        image_feature = text_feature = projected = None
        # Tokens, means, fusion, map: autograd adds gradients up in this order, so another one would round differently.
        if self.vision is not None:
            image = self.image_tokens(image)
        if self.text is not None:
            text = self.text_tokens(text, text_mask)
        # A linear layer commutes with a mean, so what is pooled is projected once an example, not once a token.
        if self.vision is not None and image is not None:
            image_feature = self.image_projection(image.mean(1))
        if self.text is not None and text is not None and text_mask is not None:
            text_feature = self.text_projection(masked_mean(text, text_mask))
        if self.vision is not None and image is not None:
            projected = self.image_projection(image) if with_map or not self.is_pooled else image[:, :0]
        image_feature, projected = (
            self._filled("image", each, absent) for each in (image_feature, projected)
        )
        text_feature = self._filled("text", text_feature, absent)
        features = [feature for feature in (image_feature, text_feature) if feature is not None]
        if self.fusion is None or text_mask is None:
            fusion = FusionOutput(features[0])
        elif self.is_pooled:
            # A pooled text is a sequence of one token, and that one is real.
            always = torch.ones_like(text_mask[:, :1])
            fusion = self.fusion(features[0].unsqueeze(1), features[1].unsqueeze(1), always)
        else:
            words = self._filled("text", self.text_projection(text), absent)
            fusion = self.fusion(projected, words, text_mask)
        fused = self.dropout(fusion.fused)
        return ModelOutput(
            logits=tuple(head(fused) for head in self.heads),
            image_feature=image_feature,
            text_feature=text_feature,
            image_map=None if projected is None else _activity(projected, with_map=with_map),
            penalty=fusion.penalty,
            cost=fusion.cost,
            absent=absent,
        )

    def _absent(self, absent: Absent, given: Tensor | None) -> Absent:
        """What is absent of a batch; in training also what is dropped, one at most of an example that has both."""
        if not self.can_miss:
            return (None, None)
        reads = tuple(
            lacking if name in self.modalities else None for name, lacking in zip(NAMES, absent, strict=True)
        )
        if not self.training or not self.modality_dropout or self.fusion is None or given is None:
            return reads[0], reads[1]
        # One draw for both, so that an example with image and text keeps one of them.
        draw = torch.rand(len(given), device=given.device)
        dropped = draw < self.modality_dropout / 2, draw >= 1 - self.modality_dropout / 2
        has_both = torch.ones_like(dropped[0])
        for lacking in reads:
            has_both = has_both if lacking is None else has_both & ~lacking
        image, text = (
            has_both & drop if lacking is None else lacking | (has_both & drop)
            for lacking, drop in zip(reads, dropped, strict=True)
        )
        return image, text

    def _filled(self, name: Modality, values: Tensor | None, absent: Absent) -> Tensor | None:
        """Features (B, dim) or tokens (B, S, dim) with the learned vector in place of what is absent."""
        lacking = absent[NAMES.index(name)]
        if values is None or lacking is None or not values.shape[1]:
            return values
        learned = self.absent[name].to(values.dtype)
        return torch.where(lacking.view(-1, *[1] * (values.dim() - 1)), learned, values)


def _activity(projected: Tensor, *, with_map: bool) -> Tensor:
    """Mean square over channels of each projected token, (B, S); (B, 0) where no map is asked for."""
    return projected.square().mean(-1) if with_map else projected[:, :0, 0]


def build_classifier(
    config: ModelConfig,
    tasks: Sequence[Task],
    *,
    seed: int,
    image_size: int | None = None,
    keep_encoders: bool = False,
    can_miss: bool = False,
) -> Classifier:
    """A classifier whose random weights depend on the seed alone; the global generator is left as it was.

    Args:
        config: the model's section.
        tasks: the label columns.
        seed: seeds all random weights.
        image_size: side of the images in pixels; None takes the encoder's own.
        keep_encoders: keep them in this process as they were built, for the next model that has the same ones.
        can_miss: whether an example may lack its image or its text.

    Raises:
        UserError: an encoder cannot be built.
    """

    def vision_encoder() -> VisionEncoder:
        return build_vision(config.vision, seed, image_size)

    def text_encoder() -> TextEncoder:
        return build_text(config.text, seed)

    vision, text = None, None
    if not config.vision.is_absent:
        key = f"{identity(config.vision, 'vision', seed)}|{image_size}"
        vision = copied(key, vision_encoder) if keep_encoders else vision_encoder()
    if not config.text.is_absent:
        key = identity(config.text, "text", seed)
        text = copied(key, text_encoder) if keep_encoders else text_encoder()
    # Encoders seed themselves; the rest does not depend on how many random numbers they drew.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(config, tasks, vision, text, can_miss=can_miss)
