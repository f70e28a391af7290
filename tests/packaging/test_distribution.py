"""The sdist holds all that a wheel needs, and the wheel runs the demo where nothing of the repository is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "data", "logs", "runs", "site", "build", "studies"
)


def python(*args: str, cwd: Path, **environment: str) -> str:
    """Runs this Python in a folder; its output, where it ends with 0."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    shutil.copytree(ROOT / "src/distune/data", folder / "source/src/distune/data", dirs_exist_ok=True)
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    python("-W", "ignore", "-c", build, cwd=folder / "source")
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the sdist alone."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    python("-W", "ignore", "-c", build, cwd=next(folder.iterdir()))
    return next(folder.glob("*.whl"))


def test_the_sdist_has_what_the_makefile_uses(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        "LICENSE",
        "NOTICE",
        "Makefile",
        "constraints.txt",
        "config/demo.yaml",
        "tools/run_optuna_tuning.py",
    }
    assert needed <= names


def test_the_wheel_has_licences_types_and_data_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    source = ROOT / "src"
    files = [path.relative_to(source) for path in (source / "distune").rglob("*") if path.is_file()]
    wanted = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    assert wanted <= set(names)
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    python(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        f"--target={site}",
        str(wheel),
        cwd=folder,
    )

    def run(*args: str) -> str:
        return python("-P", *args, cwd=folder, PYTHONPATH=str(site))

    assert str(site) in run("-c", "import distune; print(distune.__file__)")
    run("-m", "distune", "data", "demo", "data/demo")
    study = ("--n-trials", "1", "--teacher-epochs", "1", "--student-epochs", "1", "--study-name", "demo")
    run("-m", "distune", "tune", "--config", "data/demo/config.yaml", *study)
    assert (folder / "logs/optuna/demo/report.html").stat().st_size > 10_000
