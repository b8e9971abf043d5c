"""What all tests share."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """No test sees or touches the user's store and cache."""
    home = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("EVOLVE_STORE", str(home / "runs.db"))
    monkeypatch.setenv("EVOLVE_CACHE", str(home / "cache"))
