"""Where things lie, and what is said when that place is of no use."""

from pathlib import Path

import pytest

from evolve import paths
from evolve.errors import CheckFailedError, EvolveError, Interrupted, NoisyMachineError, UsageError
from evolve.store import open_store


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("EVOLVE_STORE", "EVOLVE_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_without_settings_all_lies_in_the_users_folders(home):
    assert home in paths.data_folder().parents
    assert paths.default_store() == f"sqlite:///{paths.data_folder()}/runs.db"
    assert home in paths.cache_folder().parents
    assert paths.cache_folder() != paths.data_folder()


def test_looking_makes_no_data_folder(home):
    paths.default_store()
    assert list(home.iterdir()) == []


def test_the_default_store_opens_in_an_empty_home(home):
    with open_store(paths.default_store()) as store:
        assert store.runs() == []
    assert (paths.data_folder() / "runs.db").is_file()


def test_settings_win(home, monkeypatch):
    monkeypatch.setenv("EVOLVE_STORE", "sqlite:///elsewhere.db")
    monkeypatch.setenv("EVOLVE_CACHE", "~/my cache")
    assert paths.default_store() == "sqlite:///elsewhere.db"
    assert paths.cache_folder() == home / "my cache"
    assert (home / "my cache").is_dir()


def test_empty_settings_count_as_none(home, monkeypatch):
    monkeypatch.setenv("EVOLVE_STORE", "")
    monkeypatch.setenv("EVOLVE_CACHE", "")
    assert home in Path(paths.default_store().removeprefix("sqlite:///")).parents
    assert home in paths.cache_folder().parents


def test_a_trial_leaves_nothing_in_the_cache(home):
    assert list(paths.cache_folder().iterdir()) == []


def test_sources_lie_in_the_cache(home):
    folder = paths.source_folder()
    assert folder.path.is_dir()
    assert folder.path.parent == paths.cache_folder()


@pytest.mark.parametrize("given", ["file", "file/below", "/proc/evolve", "/sys/evolve"])
def test_a_cache_that_cannot_be_written_is_one_line(home, monkeypatch, given):
    (home / "file").write_text("x")
    monkeypatch.setenv("EVOLVE_CACHE", str(home / given))
    with pytest.raises(EvolveError, match="cannot be written") as error:
        paths.cache_folder()
    assert "EVOLVE_CACHE" in error.value.remedy
    assert "\n" not in str(error.value)


def test_a_cache_on_a_full_disk_is_one_line(home, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(EvolveError, match="No space left on device"):
        paths.cache_folder()


def test_errors_carry_their_exit_codes():
    codes = {EvolveError: 1, UsageError: 2, CheckFailedError: 3, NoisyMachineError: 4}
    for kind, code in codes.items():
        error = kind("what", "do this")
        assert (error.exit_code, error.message, error.remedy, str(error)) == (code, "what", "do this", "what: do this")
    assert str(EvolveError("what")) == "what"
    assert Interrupted("matmul-3f9a").exit_code == 130
    assert "evolve resume matmul-3f9a" in str(Interrupted("matmul-3f9a"))
