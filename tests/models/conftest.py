from __future__ import annotations

from typing import Any

import pytest
import torch

from distune.data.table import Task


@pytest.fixture
def tasks() -> tuple[Task, ...]:
    return (Task("modality", ("CT", "MR")), Task("location", ("Head", "Spine", "Thorax")))


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
