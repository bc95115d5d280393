"""What a process had started ends with it, also what hides where it comes from."""

import os
import subprocess
import sys
import time

import pytest

from tl_strategies.execution.guard import MARK, look, marked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# The first is found by its environment; the second, which has none, by its parent.
CODE = "import subprocess; subprocess.Popen(['sleep', '60'], env={}); import time; time.sleep(60)"


def test_what_was_started_ends_also_where_it_has_no_mark():
    guards = []
    with marked(guards):
        parent = subprocess.Popen([sys.executable, "-c", CODE])
        mark = f"{MARK}={os.environ[MARK]}".encode()
    assert MARK not in os.environ
    before = subprocess.Popen(["sleep", "60"])
    known = {}
    for _ in range(100):
        known = look(mark, known)
        if len(known) == 2:
            break
        time.sleep(0.1)
    (child,) = known.keys() - {parent.pid}
    time.sleep(1)  # the guard has looked
    parent.kill()
    parent.wait()
    assert look(mark, known) == {child: known[child]}
    guards[0].communicate(timeout=10)
    assert look(mark, known) == {}
    assert before.poll() is None
    before.kill()
    before.wait()
