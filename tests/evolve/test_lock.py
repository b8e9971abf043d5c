"""The measuring lock: one holder, a clear message, freed by any death."""

import multiprocessing
import os
import signal
import stat
import tempfile
from pathlib import Path

import pytest

from evolve.errors import EvolveError
from evolve.lock import Holder, MeasuringLock

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / "evolve-measuring.lock"


def hold(folder, held, let_go):
    tempfile.tempdir = str(folder)
    with MeasuringLock("run matmul-3f9a"):
        held.set()
        let_go.wait()


@pytest.fixture
def holder(tmp_path):
    held, let_go = SPAWN.Event(), SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(tmp_path, held, let_go))
    process.start()
    assert held.wait(60)
    process.let_go = let_go
    yield process
    process.kill()
    process.join()


def test_it_is_free_again_after_the_block():
    for _ in range(2):
        with MeasuringLock("doctor"):
            pass


def test_it_is_free_again_after_an_error_in_the_block():
    with pytest.raises(ZeroDivisionError), MeasuringLock("doctor"):
        _ = 1 / 0
    with MeasuringLock("doctor"):
        pass


def test_a_second_process_is_told_who_measures(holder):
    with pytest.raises(EvolveError) as error, MeasuringLock("doctor"):
        pass
    message = str(error.value)
    assert message.startswith(
        f"another evolve is measuring on this machine (pid {holder.pid}, run matmul-3f9a, since 20"
    )
    assert "--wait" in message
    assert error.value.exit_code == 1


def test_the_same_process_does_not_get_it_twice():
    with MeasuringLock("doctor"), pytest.raises(EvolveError, match=f"pid {os.getpid()}"), MeasuringLock("run x"):
        pass


def test_waiting_tells_once_and_then_gets_it(holder):
    told = []

    def on_wait(who):
        told.append(who)
        holder.let_go.set()

    with MeasuringLock("run triad-1", wait=True, on_wait=on_wait):
        pass
    assert [(who.pid, who.purpose) for who in told] == [(holder.pid, "run matmul-3f9a")]


def test_nobody_is_told_to_wait_for_a_free_lock():
    with MeasuringLock("run x", wait=True, on_wait=lambda _who: pytest.fail("waited")):
        pass


def test_a_killed_holder_frees_it(holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(60)
    with MeasuringLock("doctor", wait=True):
        pass


def test_ctrl_c_ends_the_wait(holder):
    interrupted = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        with pytest.raises(KeyboardInterrupt), MeasuringLock("doctor", wait=True):
            pytest.fail("took a lock that is held")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, interrupted)


def test_every_user_may_use_the_file(own_lock):
    before = os.umask(0o077)
    try:
        with MeasuringLock("doctor"):
            assert stat.S_IMODE(own_lock.stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_an_existing_file_is_opened_without_asking_to_create_it(own_lock, monkeypatch):
    """Under fs.protected_regular the kernel refuses O_CREAT on another user's file in /tmp."""
    own_lock.touch()
    real = os.open

    def like_the_kernel(path, flags, *rest):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", like_the_kernel)
    with MeasuringLock("doctor"):
        pass


def test_a_file_that_cannot_be_used_is_one_line(own_lock):
    own_lock.symlink_to("/etc/hostname")
    with pytest.raises(EvolveError, match=r"lock file .* cannot be used") as error, MeasuringLock("doctor"):
        pass
    assert "TMPDIR" in error.value.remedy


def test_no_temporary_folder_at_all_is_one_line(monkeypatch):
    def none_usable():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none_usable)
    with pytest.raises(EvolveError, match="no temporary folder") as error, MeasuringLock("doctor"):
        pass
    assert error.value.remedy


def test_a_holder_caught_before_it_wrote(own_lock):
    with MeasuringLock("doctor"):
        own_lock.write_text("")
        with pytest.raises(EvolveError, match="pid 0, about to start"), MeasuringLock("run x"):
            pass


def test_no_descriptor_is_left_open():
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with MeasuringLock("doctor"):
        for _ in range(3):
            with pytest.raises(EvolveError), MeasuringLock("run x"):
                pass
    assert descriptors() == before


def test_a_holder_reads_well():
    assert str(Holder(7, "run x", "2026-01-01T00:00:00+00:00")) == "pid 7, run x, since 2026-01-01T00:00:00+00:00"
