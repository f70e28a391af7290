from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import Config
from distune.deployment.bundle import is_bundle
from distune.prediction.load import load
from distune.store import Store
from distune.training.run import run

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.slow
def test_export_then_predict_with_the_bundle(
    tiny_config: Callable[..., Config],
    demo_root: Path,
    tmp_path: Path,
    distune: Callable[..., tuple[int, str, str]],
) -> None:
    run(tiny_config(), tmp_path / "r", store=Store(tmp_path / "cache"))
    code, out, _ = distune("export", "r")
    assert code == 0 and "0 changed predictions" in out
    folder = Path("logs/bundles/tiny_r")
    assert f"wrote {folder}" in out
    image = next((demo_root / "images").glob("*.png"))
    answers = [distune("predict", source, "--image", image, "--text", "CT")[1] for source in ("r", folder)]
    assert answers[0] == answers[1]
    (folder / "labels.json").write_text("{}")
    code, _, err = distune("predict", folder, "--image", image, "--text", "CT")
    assert code == 2 and "labels.json" in err and "Traceback" not in err
    assert distune("export", "r", "--quantize", "int4")[0] == 2
    assert distune("export", folder)[0] == 2
    assert is_bundle(load("r").export(tmp_path / "own"))
