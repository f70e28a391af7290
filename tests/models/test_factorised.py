"""The factorised word embedding: the best approximation of its rank, and what may be asked of it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.text.factorised import FactorisedEmbedding

WORDS, WIDTH = 50, 12


def make(**values: object) -> EncoderConfig:
    return EncoderConfig.model_validate({"name": "bert-tiny", "pretrained": False, **values})


def embedding() -> nn.Embedding:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        table = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        nn.init.normal_(table.weight)
    return table


def matrix(factorised: FactorisedEmbedding) -> Tensor:
    answer: Tensor = factorised(torch.arange(WORDS))
    return answer.detach()


@pytest.mark.slow
def test_the_full_rank_changes_nothing() -> None:
    table = embedding()
    factorised = FactorisedEmbedding(table, WIDTH, "bert")
    torch.testing.assert_close(matrix(factorised), table.weight.detach(), atol=1e-5, rtol=0)
    whole, same = build_text(make(), 0).eval(), build_text(make(embedding_rank=128), 0).eval()
    ids, mask = torch.arange(5, 11)[None], torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(same(ids, mask), whole(ids, mask), atol=1e-5, rtol=0)


@pytest.mark.parametrize("rank", [1, 4, 11])
def test_the_error_is_the_tail_of_the_singular_values(rank: int) -> None:
    table = embedding()
    factorised = FactorisedEmbedding(table, rank, "bert")
    exact = table.weight.detach().double().numpy()
    left, values, right = np.linalg.svd(exact, full_matrices=False)
    ours = matrix(factorised).double().numpy()
    np.testing.assert_allclose(np.linalg.norm(exact - ours), np.sqrt((values[rank:] ** 2).sum()), rtol=1e-6)
    np.testing.assert_allclose(ours, (left[:, :rank] * values[:rank]) @ right[:rank], atol=1e-5)


def test_the_factors_are_the_same_in_every_run() -> None:
    first, second = (FactorisedEmbedding(embedding(), 4, "bert").state_dict() for _ in range(2))
    assert list(first) == ["words.weight", "basis.weight"]
    assert all(torch.equal(first[name], second[name]) for name in first)
    basis = first["basis.weight"]
    torch.testing.assert_close(basis.T @ basis, torch.eye(4), atol=1e-6, rtol=0)
    assert (basis.gather(0, basis.abs().argmax(0, keepdim=True)) > 0).all()


def test_the_two_factors_are_all_the_parameters_there_are() -> None:
    whole, factorised = build_text(make(), 0), build_text(make(embedding_rank=8), 0)
    count, fewer = (sum(p.numel() for p in encoder.parameters()) for encoder in (whole, factorised))
    assert count - fewer == 30522 * 128 - 8 * (30522 + 128)


@pytest.mark.slow
def test_the_other_weights_are_those_of_the_whole_encoder() -> None:
    whole, factorised = build_text(make(), 5).state_dict(), build_text(make(embedding_rank=8), 5).state_dict()
    shared = whole.keys() & factorised.keys()
    assert whole.keys() - shared == {"embeddings.word_embeddings.weight"}
    assert all(torch.equal(whole[name], factorised[name]) for name in shared)


def test_a_copy_trains_on_its_own() -> None:
    encoder = build_text(make(embedding_rank=8), 0).eval()
    copied = copy.deepcopy(encoder)
    ids = torch.arange(5, 11)[None]
    before = encoder(ids)
    assert torch.equal(copied(ids), before)
    with torch.no_grad():
        copied.get_parameter("embeddings.word_embeddings.basis.weight").mul_(2.0)
    assert torch.equal(encoder(ids), before) and not torch.equal(copied(ids), before)


def test_a_rank_above_the_width_is_refused() -> None:
    with pytest.raises(UserError, match=r"embedding_rank: 129 .* 128"):
        build_text(make(embedding_rank=129), 0)


def test_encoders_without_a_word_embedding_refuse_a_rank() -> None:
    with pytest.raises(UserError, match=r"embedding_rank: tiny-text "):
        build_text(make(name="tiny-text", embedding_rank=8), 0)
    with pytest.raises(UserError, match="embedding_rank: deit-tiny "):
        build_vision(make(name="deit-tiny", embedding_rank=8), 0, None)
