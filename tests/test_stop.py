"""A run that is to end ends its programs and its waits, in whatever thread they are."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployer.errors import Interrupted
from deployer.model import Command
from deployer.process import Programs
from deployer.stop import Stop, signalled

SLEEPS = Command((sys.executable, "-c", "import time; print('there', flush=True); time.sleep(600)"))


def test_nothing_happens_before() -> None:
    stop = Stop()
    stop.check()
    stop.wait(0.01)
    assert not stop.came()


def test_a_program_in_a_thread_is_ended() -> None:
    stop, there = Stop(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(Programs({}, stop=stop).run, SLEEPS, lambda line: there.set())
        assert there.wait(60)
        began = time.monotonic()
        stop.set(15)
        with pytest.raises(Interrupted) as error:
            run.result(60)
    assert error.value.exit_code == 143
    assert time.monotonic() - began < 60


def test_a_wait_ends_with_it() -> None:
    stop = Stop()
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(stop.wait, 600)
        stop.set(2)
        with pytest.raises(Interrupted):
            wait.result(60)


def test_what_a_signal_breaks_is_told_as_the_signal() -> None:
    lock = threading.Lock()
    try:
        with lock:
            try:
                raise Interrupted(signal.SIGTERM)
            finally:
                lock.release()  # as where it came while the lock was being taken again
    except RuntimeError as error:
        found = signalled(error)
    assert found
    assert found.exit_code == 143
    assert signalled(ValueError()) is None
