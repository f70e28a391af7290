"""A word embedding as the product of two small matrices (Lan et al., 2020: ALBERT), from a trained one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distune.errors import UserError


class FactorisedEmbedding(nn.Module):
    """The nearest matrix of a given rank to a word embedding, kept as its two factors.

    With the singular value decomposition W = U S V^T of the matrix (V words, width), the factors are the first `rank`
    columns of U S = W V and the first `rank` rows of V^T; no matrix of that rank is nearer to W (Eckart and Young,
    1936). V are the eigenvectors of W^T W, which is small.

    Args:
        embedding: what is replaced; its matrix stays as it is.
        rank: width of the first factor.
        name: of the encoder, for messages.

    Raises:
        UserError: the rank is above the embedding's width.
    """

    def __init__(self, embedding: nn.Embedding, rank: int, name: str):
        super().__init__()
        width = embedding.embedding_dim
        if rank > width:
            raise UserError(
                f"embedding_rank: {rank} is more than {width}, the width of the word embedding of {name}; ask for "
                "less, or none"
            )
        words, basis = _factors(embedding.weight.detach(), rank)
        self.words = nn.Embedding(embedding.num_embeddings, rank, padding_idx=embedding.padding_idx)
        self.words.weight = nn.Parameter(words)
        self.basis = nn.Linear(rank, width, bias=False)
        self.basis.weight = nn.Parameter(basis)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L) -> (B, L, width)."""
        embedded: Tensor = self.basis(self.words(ids))
        return embedded


def _factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """W (words, width) -> W V (words, rank) and V (width, rank), largest singular value first."""
    # A product of a matrix with itself squares its range: float32 would lose the small singular values.
    exact = matrix.double()
    _, vectors = torch.linalg.eigh(exact.T @ exact)
    basis = vectors.flip(1)[:, :rank]
    # An eigenvector's sign is arbitrary; the largest entry positive makes it the same with every LAPACK.
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    basis = basis * largest.sign()
    return (exact @ basis).to(matrix.dtype), basis.to(matrix.dtype).contiguous()
