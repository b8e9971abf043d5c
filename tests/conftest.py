"""What all tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

# with several workers a test may wait for the processor, which no deadline foresees
settings.register_profile("shared processor", deadline=None)
settings.load_profile("shared processor")


@pytest.hookimpl(tryfirst=True)  # before markers choose who runs
def pytest_collection_modifyitems(items):
    """Tests are marked that use a fixture which times this machine."""
    for item in items:
        if "alone" in item.fixturenames:
            item.add_marker(pytest.mark.measuring)


@pytest.fixture(scope="session")
def alone():
    """For what times this machine: another test beside it would take its processor away, and its memory."""


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
        # pytest-benchmark measures nothing in a process that it takes for a worker, be it a child's
        patch.delenv("PYTEST_XDIST_WORKER", raising=False)
        yield


@pytest.fixture(scope="session")
def sweep(alone):
    """This machine's ceilings, by the one sweep of all tests, in less time than one that is to be believed."""
    from benchmarks import ceilings, peaks
    from evolve.paths import source_folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, "PASSES", 2)
        return ceilings.measure(None, source_folder())


@pytest.fixture(scope="session")
def measured_machine(sweep, tmp_path_factory):
    """The file of a store that knows this machine and its ceilings, for tests that really run: to be copied."""
    from evolve.machines import known_machine
    from evolve.store import Ceilings, open_store, utc_now

    path = tmp_path_factory.mktemp("machine") / "runs.db"
    with open_store(str(path)) as store:
        store.add_ceilings(Ceilings(known_machine(store).id, utc_now(), sweep.as_dict()))
    return path


@pytest.fixture
def real_store(measured_machine, tmp_path):
    """A store of one's own in which no sweep of ceilings is needed any more."""
    import shutil

    return Path(shutil.copy(measured_machine, tmp_path / "runs.db"))
