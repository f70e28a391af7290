"""A user's own components come from a module that the command line names, and from nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distune import plugins
from distune.components import FUSIONS, LOSSES
from distune.config import Config, as_dict, dump_config, parse_config, with_values
from distune.data import read_table
from distune.errors import ConfigError, UserError
from distune.plugins import load_plugins, loaded_plugins
from distune.training.devices import compute_for
from distune.training.keys import student_key, teacher_key
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.space.build import build_space
from distune.tuning.space.groups import loss_group
from distune.tuning.study.settings import PLUGINS, StudySettings, differing
from distune.tuning.trials.messages import TrialFinished, TrialTask

SRC = Path(__file__).parents[2] / "src"
SOURCE = '''
from distune.data.readers.medpix import read_medpix
from distune.distillation.losses.vanilla import VanillaLoss
from distune.models.fusion.simple import Simple
from distune.tuning.trials.messages import TrialOutcome


class Halved(VanillaLoss):
    """Half of vanilla."""

    def forward(self, *outputs):
        return 0.5 * super().forward(*outputs)


class Own(Simple):
    pass


def known(task, report):
    from distune.components import LOSSES

    return TrialOutcome("complete", float("halved" in LOSSES))


LOSSES = {"halved": Halved}
FUSIONS = {"own": Own}
READERS = {"own_layout": read_medpix}
'''


@pytest.fixture(autouse=True)
def modules_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins_forgotten: None) -> None:
    """A folder of modules on the path."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "my_components.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(modules))


def config_with(own: Config) -> Config:
    return with_values(own, {"distillation.loss": "halved", "student.fusion": "own"})


def test_components_are_found_by_their_names(tiny_config: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="halved"):
        config_with(tiny_config())
    load_plugins(["my_components"])
    load_plugins(["my_components"])
    assert list(loaded_plugins()) == ["my_components"]
    assert config_with(tiny_config()).distillation.loss == "halved"
    assert LOSSES["halved"].__name__ == "Halved" and FUSIONS["own"].__name__ == "Own"
    assert "halved" in (loss_group(tiny_config())["loss"].choices or ())


def test_a_reader_of_one_s_own_reads(tiny_config: Callable[..., Config]) -> None:
    built_in = read_table(tiny_config().data)
    load_plugins(["my_components"])
    raw = as_dict(tiny_config())
    raw["data"]["reader"] = "own_layout"
    assert read_table(parse_config(raw).data).ids == built_in.ids


def test_the_source_enters_the_keys_of_what_it_computes_and_of_nothing_else(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    compute = compute_for(tiny_config().training)
    before = student_key(tiny_config(), "data", compute)
    load_plugins(["my_components"])
    assert student_key(tiny_config(), "data", compute) == before
    own = config_with(tiny_config())
    key = student_key(own, "data", compute)
    assert key["loss_source"] == key["fusion_source"] and len(key["loss_source"]) == 64
    assert teacher_key(own, "data", compute) == teacher_key(tiny_config(), "data", compute)
    module = sys.modules["my_components"]
    Path(str(module.__file__)).write_text(SOURCE.replace("0.5", "0.25"))
    assert plugins.source_hash(module) != key["loss_source"]


def test_every_python_file_of_a_package_counts(tmp_path: Path) -> None:
    package = tmp_path / "modules" / "my_package"
    package.mkdir()
    (package / "inner.py").write_text(SOURCE)
    (package / "__init__.py").write_text("from my_package.inner import LOSSES\n")
    load_plugins(["my_package"])
    before = plugins.source_hash(sys.modules["my_package"])
    (package / "inner.py").write_text(SOURCE + "\n")
    assert plugins.source_hash(sys.modules["my_package"]) != before


def test_the_working_folder_is_never_looked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_trap.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"my_trap.*the working folder is never searched"):
        load_plugins(["my_trap"])


@pytest.mark.parametrize("text", ["1 / 0", "def", "import no_such_module", "raise SystemExit"])
def test_what_was_found_is_not_to_be_installed(tmp_path: Path, text: str) -> None:
    (tmp_path / "modules" / "my_error.py").write_text(text)
    with pytest.raises(UserError, match="its own code"):
        load_plugins(["my_error"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("my_empty", ""),
        ("my_taken", "LOSSES = {'vanilla': object}"),
        ("my_wrong", "LOSSES = {'x': 3}"),
        ("my_name", "FUSIONS = {'a b': object}"),
        ("my_own/file.py", ""),
        ("my_missing", None),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_name(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None and "/" not in name:
        (tmp_path / "modules" / f"{name}.py").write_text(text)
    with pytest.raises(UserError):
        load_plugins([name])
    assert not loaded_plugins()


@pytest.mark.slow
def test_worker_processes_load_the_same(tmp_path: Path) -> None:
    load_plugins(["my_components"])
    with LocalExecutor("my_components:known", tmp_path / "workers") as executor:
        executor.submit(TrialTask(0, {}, str(tmp_path / "trial")))
        events = []
        while not any(isinstance(event, TrialFinished) for event in events):
            events += executor.wait(1.0)
    assert getattr(events[-1].result, "score", None) == 1.0, events[-1]


@pytest.mark.slow
def test_a_study_is_not_resumed_with_another_source_of_its_plugins(
    tiny_config: Callable[..., Config],
) -> None:
    load_plugins(["my_components"])
    base = config_with(tiny_config())

    def settings() -> StudySettings:
        return StudySettings(base, build_space(base, groups=loss_group(base)), "sha256:0")

    before = settings().as_attributes()
    assert set(before[PLUGINS]) == {"fusion own", "loss halved"}
    assert differing(before, settings()) == []
    FUSIONS._sources["own"] = "edited"
    (line,) = differing(before, settings())
    assert "fusion own" in line and "edited" in line
    del before[PLUGINS]
    assert differing(before, settings()) == [], "a study from before the sources were kept"
    built_in = tiny_config()
    unsearched = StudySettings(built_in, build_space(built_in), "sha256:0")
    assert PLUGINS not in unsearched.as_attributes()


@pytest.mark.slow
def test_a_run_with_a_loss_of_one_s_own(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(dump_config(tiny_config(teacher__epochs=1, student__epochs=1)))
    done = subprocess.run(
        [sys.executable, "-m", "distune", "train", "c.yaml", "--out", "run", "--plugin", "my_components", "--set",
         "distillation.loss=halved"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SRC), str(tmp_path / "modules")]),
             "DISTUNE_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "loss: halved" in (tmp_path / "run" / "config.yaml").read_text()
