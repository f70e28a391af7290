"""What a model reads, through the store: decoded images, token ids, activations of frozen layers and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.config import DataConfig, ModelConfig
from distune.data.batches import ModelInputs, tensor
from distune.data.fingerprint import image_fingerprints
from distune.data.pixels.images import DECODING, decode_all, views
from distune.data.ragged import Ragged, ragged
from distune.data.table import Table
from distune.models.classifier import NAMES, Classifier
from distune.models.encoders.base import TextEncoder, VisionEncoder
from distune.models.encoders.catalogue import Kind
from distune.models.encoders.fingerprint import identity
from distune.models.fusion import masked_mean
from distune.store import Entry, Store, key_of
from distune.training.devices import Compute
from distune.training.inputs import parts
from distune.training.inputs.encoding import PREFIX_BATCH, Encoding, encoded
from distune.training.inputs.parts import Parts, cut
from distune.training.keys import version_of
from distune.utils.progress import Progress


def files_hash(fingerprints: Sequence[str]) -> str:
    """One hash of the `image_fingerprints` of a table."""
    return key_of({"files": fingerprints})


@dataclass
class InputSteps:
    """The steps from a table to model inputs, each computed once.

    Args:
        table: all examples.
        data: image size, views, longest text.
        store: where results are kept.
        compute: device and precision of frozen layers.
        seed: of the views.
        files: `files_hash` of the table's images; found when needed where the caller has none.
        progress: called with what is done, how many of it, and of how many, while a step is computed.
    """

    table: Table
    data: DataConfig
    store: Store
    compute: Compute
    seed: int
    files: str | None = None
    progress: Progress = lambda step, done, total: None

    def for_model(
        self, model: Classifier, config: ModelConfig, model_seed: int, *, with_map: bool = False
    ) -> ModelInputs:
        """Everything that one model reads.

        A pooled fusion on a frozen encoder reads nothing but the mean of its tokens, and gets that alone.

        Args:
            model: on the device.
            config: of that model; the names and cuts of its encoders belong to the keys.
            model_seed: of its weights, which frozen random layers depend on.
            with_map: keep the image's tokens, because a loss reads the map over them.
        """
        vision, text = model.vision, model.text
        image, sequences, mean = None, None, None
        if vision is not None:
            image = self._image_inputs(model, vision, config, model_seed, with_map=with_map)
        if text is not None:
            sequences, mean = self._text_inputs(model, text, config, model_seed)
        absent = [self.table.absent(name) if name in model.modalities else None for name in NAMES]
        return ModelInputs(image, sequences, mean, (absent[0], absent[1]))

    def _image_inputs(
        self,
        model: Classifier,
        vision: VisionEncoder,
        config: ModelConfig,
        model_seed: int,
        *,
        with_map: bool,
    ) -> NDArray[Any]:
        images = self._images_key(vision.image_size)
        if not vision.frozen_layers:
            return self._images(vision.image_size, images)
        key = {"images": images, "encoder": self._encoder_key(config, "vision", model_seed)}
        if vision.is_frozen and model.is_pooled and not with_map:
            return self._image_means(model, vision, images, key)
        return self._frozen_vision(vision, images, key)

    def _text_inputs(
        self, model: Classifier, text: TextEncoder, config: ModelConfig, model_seed: int
    ) -> tuple[Ragged, NDArray[Any] | None]:
        tokens = self._tokens_key(text)
        sequences = self._tokens(text, tokens)
        if not text.frozen_layers:
            return sequences, None
        key = {"tokens": tokens, "encoder": self._encoder_key(config, "text", model_seed)}
        if text.is_frozen and model.is_pooled:
            return sequences, self._text_means(model, text, sequences, key)
        return self._frozen_text(text, sequences, key), None

    def pixels(self, size: int) -> NDArray[Any]:
        """The decoded images, uint8 (views, N, 3, size, size); view 0 is the image as it is."""
        return self._images(size, self._images_key(size))

    def _images_key(self, size: int) -> dict[str, Any]:
        if self.files is None:
            self.files = files_hash(image_fingerprints(self.table))
        key: dict[str, Any] = {
            "version": version_of("images"),
            "files": self.files,
            "size": size,
            "augment": self.data.augment,
        }
        if self.data.augment != "none":
            key |= {"views": self.data.views, "seed": self.seed}
        return key

    def _tokens_key(self, text: TextEncoder) -> dict[str, Any]:
        return {
            "version": version_of("tokens"),
            "texts": key_of({"texts": list(self.table.texts)}),
            "tokenizer": text.tokenizer.identity,
            "max_tokens": min(self.data.max_tokens, text.max_tokens),
        }

    def _encoder_key(self, config: ModelConfig, kind: Kind, model_seed: int) -> dict[str, Any]:
        encoder = config.vision if kind == "vision" else config.text
        return {
            "version": version_of(f"frozen_{kind}"),
            "weights": identity(encoder, kind, model_seed),
            "layers": encoder.layers,
            "freeze": encoder.freeze,
            "device": self.compute.device.type,
            "bf16": self.compute.bf16,
        }

    def _images(self, size: int, key: dict[str, Any]) -> NDArray[Any]:
        count, examples = self.data.views if self.data.augment != "none" else 1, len(self.table)
        kept = Parts(self.store, "images", key)

        def decode_rows(entry: Entry, rows: slice) -> None:
            shape = (count, rows.stop - rows.start, 3, size, size)
            self._decode(rows, entry.new_array("pixels", shape, np.uint8))

        def compute(entry: Entry) -> None:
            if examples <= parts.PART:
                decode_rows(entry, slice(0, examples))
                return
            pixels = entry.new_array("pixels", (count, examples, 3, size, size), np.uint8)
            for part in cut(examples):
                pixels[:, part] = kept.get(part, partial(decode_rows, rows=part)).array("pixels")
                self.progress(DECODING, part.stop, examples)

        pixels = self.store.get("images", key, compute).array("pixels")
        kept.remove()
        return pixels

    def _decode(self, rows: slice, pixels: NDArray[np.uint8]) -> None:
        """Fills (views, rows, 3, size, size) with the images of some rows and their fixed random views."""

        def tell(step: str, done: int, _: int) -> None:
            self.progress(step, rows.start + done, len(self.table))

        images, rules = self.table.images[rows], self.table.rules
        decode_all(images, pixels.shape[-1], out=pixels[0], rules=rules, progress=tell)
        for position in range(len(images)) if len(pixels) > 1 else ():
            row = rows.start + position
            pixels[:, position] = views(pixels[0, position], seed=self.seed, index=row, count=len(pixels))

    def _tokens(self, text: TextEncoder, key: dict[str, Any]) -> Ragged:
        def compute(entry: Entry) -> None:
            ids = ragged(text.tokenizer.encode(self.table.texts, key["max_tokens"]), np.int64)
            entry.new_array("offsets", ids.offsets.shape, np.int64)[:] = ids.offsets
            entry.new_array("ids", ids.values.shape, np.int64)[:] = ids.values

        entry = self.store.get("tokens", key, compute)
        return Ragged(entry.array("ids"), entry.array("offsets"))

    def _frozen_vision(
        self, vision: VisionEncoder, images: dict[str, Any], key: dict[str, Any]
    ) -> NDArray[Any]:
        def encoding() -> Encoding:
            pixels = self._images(vision.image_size, images)
            flat = pixels.reshape(-1, *pixels.shape[2:])

            def encode(rows: NDArray[np.int64]) -> Tensor:
                return vision.prefix(torch.from_numpy(flat[rows]).to(self.compute.device))

            return Encoding("encoding images", np.arange(len(flat)), np.arange(len(flat) + 1), encode)

        hidden = encoded(self.store, "frozen_vision", key, encoding, self.compute, self.progress)
        return hidden.reshape(-1, len(self.table), *hidden.shape[1:])

    def _frozen_text(self, text: TextEncoder, ids: Ragged, key: dict[str, Any]) -> Ragged:
        def encode(rows: NDArray[np.int64]) -> Tensor:
            padded, mask = (torch.from_numpy(a).to(self.compute.device) for a in ids.padded(rows))
            vectors = text.prefix(padded, mask)
            kept = zip(vectors, ids.lengths[rows], strict=True)
            return torch.cat([vector[:length] for vector, length in kept])

        def encoding() -> Encoding:
            by_length = np.argsort(ids.lengths, kind="stable")
            return Encoding("encoding texts", by_length, ids.offsets, encode)

        hidden = encoded(self.store, "frozen_text", key, encoding, self.compute, self.progress)
        return Ragged(hidden, ids.offsets)

    def _image_means(
        self, model: Classifier, vision: VisionEncoder, images: dict[str, Any], key: dict[str, Any]
    ) -> NDArray[Any]:
        def compute(entry: Entry) -> None:
            hidden = self._frozen_vision(vision, images, key)
            means = entry.new_array("means", (*hidden.shape[:2], vision.width), np.float32)
            for view, rows in product(range(len(hidden)), cut(hidden.shape[1], PREFIX_BATCH)):
                part = tensor(np.array(hidden[view, rows]), self.compute.device)
                with torch.no_grad(), self.compute.autocast():
                    means[view, rows] = model.image_tokens(part).mean(1).float().cpu().numpy()

        versioned = {**key, "version": version_of("image_means")}
        return self.store.get("image_means", versioned, compute).array("means")

    def _text_means(
        self, model: Classifier, text: TextEncoder, ids: Ragged, key: dict[str, Any]
    ) -> NDArray[Any]:
        def compute(entry: Entry) -> None:
            hidden = self._frozen_text(text, ids, key)
            means = entry.new_array("means", (len(hidden), text.width), np.float32)
            order = np.argsort(hidden.lengths, kind="stable")
            for rows in (order[piece] for piece in cut(len(order), PREFIX_BATCH)):
                part, mask = (tensor(array, self.compute.device) for array in hidden.padded(rows))
                with torch.no_grad(), self.compute.autocast():
                    means[rows] = masked_mean(model.text_tokens(part, mask), mask).float().cpu().numpy()

        versioned = {**key, "version": version_of("text_means")}
        return self.store.get("text_means", versioned, compute).array("means")
