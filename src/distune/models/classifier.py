"""Teacher and student are one class: two encoders, a fusion, and one linear head a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distune.config import ModelConfig
from distune.data.table import Task
from distune.models.encoders import TextEncoder, VisionEncoder, build_text, build_vision
from distune.models.fusion import FUSIONS, masked_mean
from distune.models.outputs import ModelOutput


class Classifier(nn.Module):
    """Image and text -> logits of every task.

    Args:
        config: the model's section.
        tasks: the label columns, in the order of the logits.
        vision: image encoder.
        text: text encoder.
    """

    def __init__(self, config: ModelConfig, tasks: Sequence[Task], vision: VisionEncoder, text: TextEncoder):
        super().__init__()
        dim = config.fusion_dim
        self.vision = vision
        self.text = text
        # The norms have no weights: the linear layers can express them, and so a norm costs no backward pass where
        # the encoder is frozen.
        self.image_norm = nn.LayerNorm(vision.width, elementwise_affine=False)
        self.text_norm = nn.LayerNorm(text.width, elementwise_affine=False)
        self.image_projection = nn.Linear(vision.width, dim)
        self.text_projection = nn.Linear(text.width, dim)
        self.fusion = FUSIONS[config.fusion](dim, config.fusion_layers, config.fusion_heads, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleList(nn.Linear(dim, len(task.classes)) for task in tasks)
        self.is_pooled = config.fusion_tokens == "pooled" or "fusion_tokens" in self.fusion.ignores

    def image_tokens(self, image: Tensor) -> Tensor:
        """Normalised tokens (B, S, width); their mean, kept from before, stands for all of them as one token."""
        return image.unsqueeze(1) if image.dim() == 2 else self.image_norm(self.vision.suffix(image))

    def text_tokens(self, text: Tensor, text_mask: Tensor) -> Tensor:
        """Normalised tokens (B, L, width); their mean, kept from before, stands for all of them as one token."""
        is_mean = text.dim() == 2 and text.is_floating_point()
        return text.unsqueeze(1) if is_mean else self.text_norm(self.text.suffix(text, text_mask))

    def forward(
        self, image: Tensor, text: Tensor, text_mask: Tensor, *, with_map: bool = True
    ) -> ModelOutput:
        """Classifies a batch.

        Args:
            image: what `vision.prefix` returned; raw pixels where nothing is frozen. Or the mean of `image_tokens`,
                (B, width), where the fusion is pooled and no map is asked for.
            text: what `text.prefix` returned; token ids where nothing is frozen. Or the mean of `text_tokens`,
                (B, width), where the fusion is pooled.
            text_mask: true at real tokens, bool (B, L); every text has at least one.
            with_map: compute `image_map`; without it the map has no columns, and a pooled fusion need not project
                every token, which is most of its cost.
        """
        image, text = self.image_tokens(image), self.text_tokens(text, text_mask)
        # A linear layer commutes with a mean, so what is pooled is projected once an example, not once a token.
        image_feature = self.image_projection(image.mean(1))
        text_feature = self.text_projection(masked_mean(text, text_mask))
        projected = self.image_projection(image) if with_map or not self.is_pooled else image[:, :0]
        if self.is_pooled:
            always = torch.ones_like(text_mask[:, :1])
            fusion = self.fusion(image_feature.unsqueeze(1), text_feature.unsqueeze(1), always)
        else:
            fusion = self.fusion(projected, self.text_projection(text), text_mask)
        fused = self.dropout(fusion.fused)
        return ModelOutput(
            logits=tuple(head(fused) for head in self.heads),
            image_feature=image_feature,
            text_feature=text_feature,
            image_map=projected.square().mean(-1) if with_map else projected[:, :0, 0],
            penalty=fusion.penalty,
            cost=fusion.cost,
        )


def build_classifier(
    config: ModelConfig, tasks: Sequence[Task], *, seed: int, image_size: int | None = None
) -> Classifier:
    """A classifier whose random weights depend on the seed alone; the global generator is left as it was.

    Args:
        config: the model's section.
        tasks: the label columns.
        seed: seeds all random weights.
        image_size: side of the images in pixels; None takes the encoder's own.

    Raises:
        UserError: an encoder cannot be built.
    """
    vision = build_vision(config.vision, seed, image_size)
    text = build_text(config.text, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(config, tasks, vision, text)
