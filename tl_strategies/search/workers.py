"""The chief of a search, which hands out trials, and the workers on this machine, kept alive."""

import collections
import contextlib
import ipaddress
import os
import pathlib
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from tl_strategies.errors import UsageError
from tl_strategies.files import read_text, write_text
from tl_strategies.search.oracles import Durable
from tl_strategies.search.runner import SESSION, earlier_log, log_file
from tl_strategies.search.settings import ADDRESS

LOOPBACK = "127.0.0.1"
FAREWELL = 60  # seconds in which workers elsewhere ask once more, and are told that all is done
REMIND = 600  # seconds after which a chief says whom it waits for
MOST_STARTS = 3  # of a worker that dies before it gets a trial
SUPERVISED = "TL_STRATEGIES_SUPERVISED"


class Chief:
    """Serves an oracle to workers, by KerasTuner's protocol.

    Args:
        oracle: hands out the trials.
        directory: of the search.
        address: to listen at.
        port: to listen at; 0 for any free one.

    Raises:
        UsageError: nobody can listen there.
    """

    def __init__(self, oracle: Durable, directory: pathlib.Path, address: str, port: int):
        self.oracle = oracle
        self.directory = directory
        self.address = address
        self.servicer = OracleServicer(oracle)
        # Two chiefs at one port would share the workers between them.
        options = [("grpc.so_reuseport", 0)]
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=options)
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, self.server)
        try:
            self.port = self.server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:
            raise UsageError(
                f"{' and '.join(ADDRESS)} must be free to listen at. Received: {address}:{port}."
            ) from error
        self.server.start()
        write_text(directory / SESSION, secrets.token_hex(8))

    @property
    def done(self) -> bool:
        """Whether there is nothing left to hand out, and nobody still runs a trial."""
        return self.servicer.stop_triggered and not self.oracle.ongoing_trials

    def wait(self) -> None:
        """Serve until the work is done, and until all workers know."""
        waiting = 0.0
        while not self.done:
            time.sleep(0.2)
            waiting += 0.2
            if waiting > REMIND:
                waiting = 0.0
                names = ", ".join(sorted(self.oracle.ongoing_trials)) or "any worker"
                print(f"waiting for {names}", flush=True)
        until = time.monotonic() + FAREWELL
        while self.oracle.tuner_ids and time.monotonic() < until:
            time.sleep(0.2)

    def close(self) -> None:
        self.server.stop(grace=1).wait()
        (self.directory / SESSION).unlink(missing_ok=True)


def supervise(chief: Chief, config: pathlib.Path, count: int, memory_growth: float) -> None:
    """Run workers on this machine until the work is done; those that die are replaced.

    Args:
        chief: to work for.
        config: the settings of the search, as a file.
        count: of workers.
        memory_growth: gigabytes by which a worker may grow.

    Raises:
        UsageError: a worker cannot work, for a reason that it gives.
    """
    flags = ["--config", str(config), "--memory_growth", str(memory_growth)]
    idle_starts: collections.Counter = collections.Counter()  # since the last request for a trial
    asked = dict(chief.oracle.asked)
    with _children() as children:
        for number in range(count):
            children[f"worker{number}"] = _start(chief, flags, f"worker{number}")
        while children:
            time.sleep(0.1)
            for name, child in list(children.items()):
                code = child.poll()
                if code is None:
                    continue
                if chief.done or (code == 0 and name not in chief.oracle.ongoing_trials):
                    del children[name]  # it was told that there is nothing left
                    continue
                if code == 2:
                    raise UsageError(_last_line(chief.directory, name))
                if chief.oracle.asked[name] > asked.get(name, 0):
                    asked[name] = chief.oracle.asked[name]
                    idle_starts[name] = 0
                idle_starts[name] += 1
                if idle_starts[name] <= MOST_STARTS:
                    children[name] = _start(chief, flags, name)
                    continue
                message = (
                    f"Workers must start. Received: exit code {code} of {name}; "
                    f"{_last_line(chief.directory, name)} The whole log is "
                    f"{log_file(chief.directory, name)}."
                )
                del children[name]
                if not children:
                    raise UsageError(message)
                print(f"going on without a worker: {message}", flush=True)
                chief.oracle.release(name)
        if not chief.done:
            raise UsageError("Workers must stay until all is done. Start the same command again.")


@contextlib.contextmanager
def _children() -> Iterator[dict[str, subprocess.Popen]]:
    children: dict[str, subprocess.Popen] = {}
    try:
        yield children
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _start(chief: Chief, flags: list[str], name: str) -> subprocess.Popen:
    log = log_file(chief.directory, name)
    log.parent.mkdir(exist_ok=True)
    if log.is_file():
        log.replace(earlier_log(chief.directory, name))
    environment = {
        **os.environ,
        **dict(zip(ADDRESS, (chief.address, str(chief.port)), strict=True)),
        "KERASTUNER_TUNER_ID": name,
        "no_grpc_proxy": chief.address,
        SUPERVISED: "1",
    }
    command = [sys.executable, "-m", "tl_apps.tl_search", *flags]
    with log.open("wb") as file:
        return subprocess.Popen(
            [*command, "--run_dir", str(chief.directory), "--worker", name],
            env=environment,
            stdin=subprocess.PIPE,  # closed when this process ends, however it does
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is this process's to handle
        )


def _last_line(directory: pathlib.Path, name: str) -> str:
    lines = read_text(log_file(directory, name)).strip().splitlines()
    return lines[-1].removeprefix("tl-search: error: ") if lines else "It said nothing."


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def become_worker(name: str, directory: pathlib.Path) -> None:
    """Make this process KerasTuner's worker of that name.

    It ends with its supervisor, or when a chief elsewhere is done while it waits for that.
    """
    os.environ["KERASTUNER_TUNER_ID"] = name
    target = _wait_for_supervisor if os.environ.get(SUPERVISED) else _wait_for_chief
    threading.Thread(target=target, args=[directory], daemon=True).start()


def _wait_for_supervisor(directory: pathlib.Path) -> None:
    os.read(0, 1)  # ends when the supervisor does
    os._exit(1)


def _wait_for_chief(directory: pathlib.Path) -> None:
    """KerasTuner's own client waits for an hour."""
    while not (directory / SESSION).is_file():
        time.sleep(1)
    while (directory / SESSION).is_file():
        time.sleep(1)
    time.sleep(2 * FAREWELL)
    os._exit(0)
