"""Programs for real: tiny ones in Python."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer import process
from deployer.errors import Interrupted, PreflightError
from deployer.model import Command
from deployer.process import ProgramFailed, Programs

PROGRAMS = Programs(os.environ)


def python(code: str, stdin: str | None = None, **env: str) -> Command:
    return Command((sys.executable, "-c", code), stdin=stdin, env=env)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60  # a machine with much else to do
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_run_tells_both_streams() -> None:
    said: list[str] = []
    PROGRAMS.run(python("import sys; print('out'); print('err', file=sys.stderr)"), said.append)
    assert sorted(said) == ["err", "out"]


def test_read_answers_with_stdout_and_tells_stderr() -> None:
    said: list[str] = []
    code = "import sys; print('a'); print('noise', file=sys.stderr); print('b')"
    assert PROGRAMS.read(python(code), said.append) == "a\nb"
    assert said == ["noise"]


def test_a_large_stdin_and_a_large_answer() -> None:
    text = "0123456789abcdef\n" * 200_000
    code = "import sys; text = sys.stdin.read(); sys.stderr.write(text); print(len(text))"
    assert PROGRAMS.read(python(code, stdin=text)) == str(len(text))


def test_stdin_that_nobody_reads_is_no_error() -> None:
    assert PROGRAMS.read(python("print('done')", stdin="x" * 1_000_000)) == "done"


def test_no_stdin_is_empty() -> None:
    assert PROGRAMS.read(python("import sys; print(repr(sys.stdin.read()))")) == "''"


def test_text_is_utf8_and_never_an_error() -> None:
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read() + b'\\xff')"
    assert PROGRAMS.read(python(code, stdin="é🚀")) == "é🚀\ufffd"


def test_a_failure_has_its_code_and_the_end_of_its_output() -> None:
    code = "import sys; print('why', file=sys.stderr); [print(n) for n in range(100)]; sys.exit(1)"
    with pytest.raises(ProgramFailed) as error:
        PROGRAMS.read(python(code))
    assert error.value.code == 1
    assert error.value.message == f"{os.path.basename(sys.executable)} -c ended with code 1"
    assert len(error.value.detail) == process.TAIL
    assert error.value.detail[-2:] == ("99", "why")


def test_a_killed_program_has_failed() -> None:
    with pytest.raises(ProgramFailed) as error:
        PROGRAMS.read(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert error.value.code == -signal.SIGKILL
    assert error.value.message.endswith(" -c was ended by SIGKILL")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(PreflightError, match="`no-such-program` is not installed or not on PATH"):
        PROGRAMS.read(Command(("no-such-program",)))


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("text")
    with pytest.raises(PreflightError, match="is not executable"):
        PROGRAMS.read(Command((str(tmp_path / "tool"),)))


def test_the_folder_and_the_variables_of_a_command(tmp_path: Path) -> None:
    command = Command(
        (sys.executable, "-c", "import os; print(os.getcwd(), os.environ['A'])"), env={"A": "b"}, cwd=tmp_path
    )
    assert PROGRAMS.read(command) == f"{tmp_path} b"


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("HELM_NAMESPACE", False),
        ("HELM_KUBECONTEXT", False),
        ("KUBECONFIG", False),
        ("REG_PASS", False),
        ("REG_USER", True),
        ("DOCKER_HOST", True),
        ("MY_HELM_DIR", True),
    ],
)
def test_what_a_program_gets_of_the_jobs_variables(name: str, there: bool) -> None:
    programs = Programs({**os.environ, name: "value"}, frozenset({"REG_PASS"}))
    assert programs.read(python(f"import os; print({name!r} in os.environ)")) == str(there)


def test_programs_show_no_variable() -> None:
    assert "s3cret" not in repr(Programs({"REG_PASS": "s3cret"}, frozenset({"REG_PASS"})))


CHILD = "import os, time, signal; print('child', os.getpid(), flush=True); time.sleep(60)"
PARENT = (
    "import os, subprocess, sys, signal, time\n"
    "STUBBORN\n"
    f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}])\n"
    "print('parent', os.getpid(), flush=True)\n"
    "while True: time.sleep(60)\n"
)


def interrupted(code: str) -> tuple[dict[str, int], float]:
    """Start a program that starts another; raise Interrupted when both run. Their pids, and how long the end took."""
    pids: dict[str, int] = {}
    began = 0.0

    def listen(line: str) -> None:
        who, pid = line.split()
        pids[who] = int(pid)

    def handler(number: int, frame: object) -> None:
        nonlocal began
        began = time.monotonic()
        raise Interrupted(number)

    def interrupt() -> None:
        until(lambda: len(pids) == 2)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            PROGRAMS.run(python(code), listen)
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, before)
    return pids, time.monotonic() - began


def test_an_interrupted_run_ends_the_program_and_its_children() -> None:
    pids, _ = interrupted(PARENT.replace("STUBBORN", ""))
    until(lambda: not any(map(running, pids.values())))


def test_a_program_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.3)
    pids, seconds = interrupted(PARENT.replace("STUBBORN", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    until(lambda: not any(map(running, pids.values())))
    assert seconds >= 0.3


def test_a_child_that_does_not_listen_is_killed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.3)
    deaf = CHILD.replace("print", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print", 1)
    pids, _ = interrupted(PARENT.replace("STUBBORN", "").replace(repr(CHILD), repr(deaf)))
    try:
        until(lambda: not any(map(running, pids.values())))
    finally:
        for pid in filter(running, pids.values()):
            os.kill(pid, signal.SIGKILL)


def test_a_second_signal_is_no_reason_to_leave_a_program_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 60)
    end = process._end

    def hurried(ended: subprocess.Popen[str]) -> None:
        wait = ended.wait

        def cut_short(timeout: float | None = None) -> int:
            if timeout:
                os.kill(os.getpid(), signal.SIGTERM)
            return wait(timeout)

        monkeypatch.setattr(ended, "wait", cut_short)
        end(ended)

    monkeypatch.setattr(process, "_end", hurried)
    pids, seconds = interrupted(PARENT.replace("STUBBORN", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    until(lambda: not any(map(running, pids.values())))
    assert seconds < 50


def test_what_a_killed_run_has_started_ends_too(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    child = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(120)"
    code = (
        "import sys\n"
        "from deployer.model import Command\n"
        "from deployer.process import Lifeline, Programs\n"
        "with Lifeline() as lifeline:\n"
        "    programs = Programs({}, lifeline=lifeline)\n"
        f"    programs.run(Command((sys.executable, '-c', {child!r})), print)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    try:
        until(lambda: started.exists() and started.read_text())
        assert running(int(started.read_text()))
    finally:
        run.kill()
        run.wait()
    until(lambda: not running(int(started.read_text())))


def test_a_lifeline_ends_with_the_run_and_a_dead_one_does_no_harm() -> None:
    with process.Lifeline() as lifeline:
        programs = Programs(os.environ, lifeline=lifeline)
        assert programs.read(python("print('done')")) == "done"
        assert lifeline._process
        lifeline._process.kill()
        lifeline._process.wait()
        assert programs.read(python("print('done')")) == "done"
    assert lifeline._process.returncode is not None


def test_hope_given_up_ends_the_program() -> None:
    said: list[str] = []
    code = "import sys, time; print('waiting', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(ProgramFailed) as error:
        PROGRAMS.read(python(code), said.append, hopeless=lambda: bool(said))
    assert error.value.code == -signal.SIGTERM


def test_where_there_is_hope_the_answer_counts() -> None:
    assert PROGRAMS.read(python("import time; time.sleep(.25); print('done')"), hopeless=lambda: False) == "done"
