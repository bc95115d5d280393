"""The chief of a search, which hands out trials, and the workers on this machine, kept alive."""

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

from tl_strategies.data.cache import read_text, write_text
from tl_strategies.errors import UsageError
from tl_strategies.search.oracles import Durable
from tl_strategies.search.runner import SESSION, earlier_log, log_file

LOOPBACK = "127.0.0.1"
FAREWELL = 60  # seconds in which workers elsewhere ask once more, and are told that all is done
MOST_STARTS = 3  # of a worker that dies before it gets a trial
SUPERVISED = "TL_STRATEGIES_SUPERVISED"
NEEDED = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


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
        write_text(directory / SESSION, secrets.token_hex(8))
        self.servicer = OracleServicer(oracle)
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, self.server)
        try:
            self.port = self.server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:
            raise UsageError(
                f"{' and '.join(NEEDED)} must be free to listen at. Received: {address}:{port}."
            ) from error
        self.server.start()

    @property
    def done(self) -> bool:
        """Whether there is nothing left to hand out, and nobody still runs a trial."""
        return self.servicer.stop_triggered and not self.oracle.ongoing_trials

    def wait(self) -> None:
        """Serve until the work is done, and until all workers know."""
        while not self.done:
            time.sleep(0.2)
        until = time.monotonic() + FAREWELL
        while self.oracle.tuner_ids and time.monotonic() < until:
            time.sleep(0.2)

    def close(self) -> None:
        self.server.stop(grace=1).wait()
        (self.directory / SESSION).unlink(missing_ok=True)


def supervise(chief: Chief, config: pathlib.Path, count: int) -> None:
    """Run workers on this machine until the work is done; those that die are replaced.

    Args:
        chief: to work for.
        config: the settings of the search, as a file.
        count: of workers.

    Raises:
        UsageError: a worker cannot work, for a reason that it gives.
    """
    with _children() as children:
        ended = chief.oracle.end_order
        names = [f"worker{number}" for number in range(count)]
        children |= {name: _start(chief, config, name) for name in names}
        idle_starts, before = dict.fromkeys(names, 1), dict.fromkeys(names, len(ended))
        while not (chief.done and all(child.poll() is not None for child in children.values())):
            time.sleep(0.1)
            for name, child in list(children.items()):
                code = child.poll()
                if code is None or chief.done:
                    continue
                if code == 0:
                    if name not in chief.oracle.ongoing_trials:
                        continue  # it was told that there is nothing left
                elif code == 2:
                    raise UsageError(_last_line(chief.directory, name))
                if name in chief.oracle.ongoing_trials or len(ended) > before[name]:
                    idle_starts[name] = 0
                if idle_starts[name] == MOST_STARTS:
                    raise UsageError(
                        f"Workers must start. Received: exit code {code}; "
                        f"{_last_line(chief.directory, name)} The whole log is "
                        f"{earlier_log(chief.directory, name)}."
                    )
                idle_starts[name] += 1
                before[name] = len(ended)
                children[name] = _start(chief, config, name)


@contextlib.contextmanager
def _children() -> Iterator[dict[str, subprocess.Popen]]:
    children: dict[str, subprocess.Popen] = {}
    try:
        yield children
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _start(chief: Chief, config: pathlib.Path, name: str) -> subprocess.Popen:
    log = log_file(chief.directory, name)
    log.parent.mkdir(exist_ok=True)
    if log.is_file():
        log.replace(earlier_log(chief.directory, name))
    environment = {
        **os.environ,
        "KERASTUNER_ORACLE_IP": chief.address,
        "KERASTUNER_ORACLE_PORT": str(chief.port),
        "KERASTUNER_TUNER_ID": name,
        "no_grpc_proxy": chief.address,
        SUPERVISED: "1",
    }
    command = [sys.executable, "-m", "tl_apps.tl_search", "--config", str(config)]
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


def chief_address() -> tuple[str, int]:
    """Where the chief listens, from KerasTuner's environment variables.

    Raises:
        UsageError: they are not set, or are no address and port.
    """
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"--chief and --worker must come with the environment variables {' and '.join(NEEDED)}."
            f" Missing: {' and '.join(missing)}."
        )
    address, port = (os.environ[name] for name in NEEDED)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{NEEDED[1]} must be from 1 to 65535. Received: {port}.")
    return address, int(port)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def become_worker(name: str) -> None:
    """Make this process KerasTuner's worker of that name, and let it end with its supervisor.

    Raises:
        UsageError: no chief is named.
    """
    chief_address()
    if "chief" in name:
        raise UsageError(f'--worker must be a name without "chief". Received: {name}.')
    os.environ["KERASTUNER_TUNER_ID"] = name
    if os.environ.get(SUPERVISED):

        def watch() -> None:
            os.read(0, 1)  # ends when the supervisor does
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
