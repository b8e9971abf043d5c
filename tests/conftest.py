"""What all tests share."""

from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture(autouse=True, scope="session")
def own_folders(tmp_path_factory):
    """No test sees or touches the user's store, cache and data."""
    home = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOLVE_STORE", str(home / "runs.db"))
        patch.setenv("EVOLVE_CACHE", str(home / "cache"))
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        yield


@pytest.fixture(scope="session")
def measured_machine(tmp_path_factory):
    """The file of a store that knows this machine and its ceilings, for tests that really run: to be copied."""
    from evolve.machines import this_machine
    from evolve.store import open_store

    path = tmp_path_factory.mktemp("machine") / "runs.db"
    with open_store(str(path)) as store:
        this_machine(store)
    return path


@pytest.fixture
def real_store(measured_machine, tmp_path):
    """A store of one's own in which no sweep of ceilings is needed any more."""
    import shutil

    return Path(shutil.copy(measured_machine, tmp_path / "runs.db"))
