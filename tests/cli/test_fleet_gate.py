"""A person who is asked between two waves, at a real terminal: the question is seen, and its end is an answer."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

ASKS = """
import sys
from types import SimpleNamespace
from deployer.cli import fleet
from deployer.fleet import Turn
from deployer.mask import Mask
from deployer.plan.fleet import Fleet, Wave
from deployer.report.terminal import FleetTerminal

waves = Wave("first", ("t1",), gate="ask"), Wave("rest", ("t2",))
made = Fleet("up", "edge", "web", waves)
with FleetTerminal(made, Mask()) as screen:
    screen.tell(Turn("t1", 1))
    answer = fleet._agreed(SimpleNamespace(attended=True), made, *waves, screen, yes=False)
    screen.tell(Turn("t2", 1))
open(sys.argv[1], "w").write(answer)
"""


@pytest.mark.parametrize(
    ("typed", "answer"),
    [(b"y\n", ""), (b"n\n", "somebody said no to wave rest"), (b"\x04", "somebody said no to wave rest")],
    ids=["yes", "no", "the end of the input"],
)
def test_the_question_between_two_waves(tmp_path: Path, typed: bytes, answer: str) -> None:
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")} | {"TERM": "xterm"}
    program = (sys.executable, "-c", ASKS, str(tmp_path / "answer"))
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as asking:
        os.close(theirs)
        try:
            seen = b""
            until = time.monotonic() + 60
            while b"[y/N]" not in seen and time.monotonic() < until:
                if select.select([ours], [], [], 1)[0]:
                    seen += os.read(ours, 4096)
            assert b"go on with wave rest (1 target)? [y/N]" in seen
            os.write(ours, typed)
            with contextlib.suppress(OSError):  # nobody is at the other end any more
                while os.read(ours, 4096):
                    pass
            assert asking.wait(60) == 0
        finally:
            asking.kill()
            os.close(ours)
    assert (tmp_path / "answer").read_text() == answer
