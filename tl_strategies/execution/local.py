"""Workers on this machine, each a process of its own."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from multiprocessing import connection

from tl_strategies.execution.pool import Died, Pool
from tl_strategies.execution.tasks import Opening
from tl_strategies.execution.worker import Message


class LocalPool(Pool):
    """Starts workers as processes; see Pool."""

    def __init__(self, opening: Opening):
        super().__init__(opening)
        self.gpus = visible_gpus()
        self.processes: dict[int, subprocess.Popen] = {}
        self.connections: dict[int, connection.Connection] = {}

    def start(self, slot: int, log: pathlib.Path) -> None:
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as file:
            self.processes[slot] = subprocess.Popen(
                [sys.executable, "-m", "tl_strategies.execution.worker", str(theirs.fileno())],
                env=self._environment(slot),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # closed when this process ends, however it does
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is this process's to handle
            )
        self.connections[slot] = connection.Connection(ours.detach())
        with contextlib.suppress(OSError):  # it has died already, which `wait` will say
            self.connections[slot].send((self.opening, log))

    def send(self, slot: int, argument: object) -> None:
        with contextlib.suppress(OSError):
            self.connections[slot].send(argument)

    def wait(self, seconds: float) -> dict[int, Message | Died]:
        ready = connection.wait(self.connections.values(), seconds)
        messages: dict[int, Message | Died] = {}
        for slot, end in list(self.connections.items()):
            if end in ready:
                try:
                    messages[slot] = end.recv()
                except (EOFError, OSError):
                    self.stop(slot)
                    messages[slot] = Died()
        return messages

    def stop(self, slot: int) -> None:
        self.connections.pop(slot).close()
        with self.processes.pop(slot) as process:
            process.kill()

    def close(self) -> None:
        for slot in list(self.processes):
            self.stop(slot)

    def _environment(self, slot: int) -> dict[str, str]:
        """That of this process, with one GPU where there are some."""
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return environment


def visible_gpus() -> list[str]:
    """The names by which CUDA knows the GPUs that this process may use."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    tf = sys.modules.get("tensorflow")
    return (
        [] if tf is None else [str(i) for i in range(len(tf.config.list_physical_devices("GPU")))]
    )
