"""The guard is tried on copies of itself: what it finds depends on where it lies."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import evolve

HERE = Path(evolve.__file__).parent


@pytest.fixture
def site(tmp_path):
    """A folder with evolve's guard and packages of ours, as an installation has them."""
    folder = tmp_path / "site-packages"
    (folder / "evolve").mkdir(parents=True)
    for name in ("__init__.py", "installation.py"):
        shutil.copy(HERE / name, folder / "evolve" / name)
    for package in ("kernels", "benchmarks"):
        (folder / package).mkdir()
        shutil.copy(HERE.parent / package / "__init__.py", folder / package / "__init__.py")
    return folder


def _import(*path, statement="import evolve"):
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {[str(p) for p in path]!r}; {statement}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _last_line(result):
    assert result.returncode == 1
    return result.stderr.strip().splitlines()[-1]


def test_our_own_packages_pass_and_nothing_is_imported(site):
    result = _import(site, statement="import evolve, sys; print({'kernels', 'benchmarks', 'numpy'} & set(sys.modules))")
    assert (result.returncode, result.stdout.strip()) == (0, "set()")


def test_an_overwritten_package_is_told_from_ours_and_its_owner_is_named(site):
    (site / "kernels" / "__init__.py").write_text("from ._hub import get_kernel\n")
    metadata = site / "kernels-0.17.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 0.17.2\n")
    (metadata / "RECORD").write_text("kernels/__init__.py,,\n")
    line = _last_line(_import(site))
    assert line.startswith("ImportError: ")
    assert "was overwritten (distribution kernels)" in line
    assert "virtual environment of its own" in line


def test_a_package_without_its_init_is_reported(site):
    (site / "kernels" / "__init__.py").unlink()
    assert "has lost its __init__.py" in _last_line(_import(site))


def test_a_missing_package_is_reported(site):
    shutil.rmtree(site / "benchmarks")
    assert "'benchmarks' is missing" in _last_line(_import(site))


def test_a_folder_of_the_working_directory_that_shadows_ours_is_named_with_its_remedy(site, tmp_path):
    other = tmp_path / "project"
    (other / "benchmarks").mkdir(parents=True)
    (other / "benchmarks" / "__init__.py").write_text("")
    line = _last_line(_import(other, site))
    assert str(other / "benchmarks") in line
    assert f"start from another folder, or take {other} off PYTHONPATH" in line


def test_version_is_that_of_the_distribution():
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    assert evolve.__version__ == project["version"]
