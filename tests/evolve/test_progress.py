from __future__ import annotations

import os
import signal
import threading

import pytest

from evolve.progress import StopRequest


def test_first_interrupt_asks_and_second_stops(capsys):
    stop = StopRequest()
    with stop.on_interrupt():
        assert not stop.is_set
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set
        assert "again stops at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_former_handler_is_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest().on_interrupt():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_other_threads_have_no_signals_and_need_none():
    entered = []

    def listen():
        with StopRequest().on_interrupt():
            entered.append(True)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert entered
