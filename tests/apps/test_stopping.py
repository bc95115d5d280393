"""Ctrl-C, SIGTERM and SIGHUP end a command soon, wherever it is, and no child outlives it."""

import contextlib
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from tl_apps.cli import run_command
from tl_apps.flags import Command
from tl_apps.stopping import GRACE, children

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
BEGIN = """
import hashlib, pathlib, subprocess, sys, time
from tl_apps.cli import run_command
from tl_apps.flags import Command
from tl_apps.stopping import at_once, how_to_go_on

def body(values):
    how_to_go_on(lambda: "; go on with run")
    work()

def compute():
    hashlib.pbkdf2_hmac("sha512", b"", b"", 10**9)  # minutes; no signal ends it before

def go(seconds=60):
    print("ready", flush=True)
    time.sleep(seconds)
"""
END = "\nsys.exit(run_command(Command('tl', '', [], (), ()), body, None))\n"
KINDS_OF_WORK = {
    "between bytecodes": "def work():\n go()",
    "in a call of a library": "def work():\n go(0); compute()",
    "in code that is never interrupted": (
        "def work():\n try: go()\n except KeyboardInterrupt: time.sleep(60)\n"
    ),
    "in an import": "def work():\n with at_once(): go(0); compute()",
    "in the end": ("def work():\n try: go()\n finally: time.sleep(60)\n"),
}


def default():
    """Signals as a terminal's commands have them."""
    for number in CODES:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start():
    """Starts a command that works in a way; returns it when it does."""
    started = []

    def start(work, before=default, command=(), **options):
        code = [sys.executable, "-c", BEGIN + work + END]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options
        started.append(subprocess.Popen([*command, *code], preexec_fn=before, **options))
        if started[-1].stdout:
            assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


@pytest.mark.parametrize("number", CODES)
def test_the_work_ends(start, number):
    command = start(KINDS_OF_WORK["between bytecodes"])
    command.send_signal(number)
    output, _ = command.communicate(timeout=2)
    assert output == "\ntl: stopped; go on with run\n"
    assert command.returncode == CODES[number]


@pytest.mark.parametrize("work", KINDS_OF_WORK)
def test_it_ends_within_five_seconds_and_no_child_is_left(start, work):
    command = start("child = subprocess.Popen(['sleep', '60'])\n" + KINDS_OF_WORK[work])
    (child,) = pathlib.Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    command.send_signal(signal.SIGTERM)
    output, _ = command.communicate(timeout=5)
    assert output == "\ntl: stopped; go on with run\n"
    assert command.returncode == 143
    until = time.monotonic() + 2  # what is killed still needs the processor once, to die
    with contextlib.suppress(FileNotFoundError):  # or it is dead and nobody has asked how it died
        while pathlib.Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < until


def test_an_import_ends_at_once(start):
    """An exception in the midst of it would be made into another one, or worse."""
    command = start(KINDS_OF_WORK["in an import"])
    command.send_signal(signal.SIGTERM)
    assert command.wait(GRACE / 2) == 143


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_time_it_ends_at_once(start, second):
    command = start(KINDS_OF_WORK["in the end"])
    command.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert command.poll() is None
    command.send_signal(second)
    output, _ = command.communicate(timeout=GRACE / 2)
    assert output == "\ntl: stopped; go on with run\n"
    assert command.returncode == 130


def test_a_signal_that_is_sent_twice_is_one(start):
    """As the command `timeout` does: the work still ends by itself."""
    work = "def work():\n try: go()\n finally: time.sleep(1); print('put away', flush=True)\n"
    command = start(work)
    for _ in range(2):
        command.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    output, _ = command.communicate(timeout=GRACE)
    assert output == "put away\n\ntl: stopped; go on with run\n"


def test_what_the_parent_had_ignored_stays_ignored(start):
    def nohup():
        default()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    command = start("def work():\n go(0.5)", before=nohup)
    command.send_signal(signal.SIGHUP)
    assert command.communicate(timeout=5) == ("", None)
    assert command.returncode == 0


def test_children_are_those_that_run():
    before = set(children())  # such as what other tests fork from
    with subprocess.Popen(["sleep", "60"]) as child:
        assert set(children()) - before == {child.pid}
        child.kill()


def test_the_first_process_of_a_container(start):
    """The system gives it no signal that it has no handler for."""
    apart = ["unshare", "--pid", "--fork"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make a namespace")
    command = start(KINDS_OF_WORK["in a call of a library"], command=apart)
    (first,) = pathlib.Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    output, _ = command.communicate(timeout=5)
    assert output == "\ntl: stopped; go on with run\n"
    assert command.returncode == 143


def test_a_terminal_that_is_closed():
    """There is nobody to write to any more."""
    process, terminal = pty.fork()
    if process == 0:
        default()
        work = "def work():\n try: go()\n finally: print('put away', flush=True)\n"
        os.execv(sys.executable, [sys.executable, "-c", BEGIN + work + END])
    assert select.select([terminal], [], [], 60)[0]
    assert os.read(terminal, 100).strip() == b"ready"
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 129


def test_a_pipe_that_is_closed_ends_no_work(start, tmp_path):
    work = "def work():\n go(1)\n for i in range(9): print(i, flush=i < 5)\n"
    done = f" pathlib.Path({str(tmp_path / 'done')!r}).touch()\n"
    command = start(work + done, stderr=subprocess.PIPE)
    command.stdout.close()
    assert command.stderr.read() == ""
    assert command.wait(10) == 0
    assert (tmp_path / "done").exists()


def test_main_in_a_process_of_others():
    """Handlers are given back; in a thread there are none."""
    before = [signal.getsignal(number) for number in CODES]
    codes = []

    def run():
        codes.append(run_command(Command("tl", "", [], (), ()), lambda values: 3, []))

    run()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [3, 3]
    assert [signal.getsignal(number) for number in CODES] == before
