"""Workers of a Ray cluster, each an actor. Directories lie on a disk that all nodes share."""

import contextlib
import importlib.util
import os
import pathlib
import signal
import socket
import subprocess

from tl_strategies.errors import UsageError
from tl_strategies.execution.guard import marked
from tl_strategies.execution.pool import Died, Pool
from tl_strategies.execution.tasks import Opening
from tl_strategies.execution.worker import Message, Worker
from tl_strategies.settings.groups import Workers

NO_ANSWER = 5  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RayPool(Pool):
    """Starts workers as Ray's actors; see Pool. Ray carries tasks and small results only.

    Raises:
        UsageError: there is no Ray here, or no cluster at the address.
    """

    def __init__(self, opening: Opening, workers: Workers):
        super().__init__(opening)
        check_ray()
        # Reports of use would be sent over the network, and lines of a hundred workers shown.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self.ray = ray
        self.ours = not ray.is_initialized()
        self.guards: list[subprocess.Popen] = []
        if self.ours:
            local = workers.engine == "ray"  # a cluster of our own
            with marked(self.guards) if local else contextlib.nullcontext():
                _connect(workers)
        gpus = workers.gpus_per_worker
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
        # As in a process alone: with other threads TensorFlow would round otherwise.
        environment = {"env_vars": {"OMP_NUM_THREADS": str(os.cpu_count())}}
        self.actor = ray.remote(Worker).options(
            num_cpus=1, num_gpus=gpus, max_restarts=0, runtime_env=environment
        )
        self.actors: dict[int, object] = {}
        self.awaited: dict[object, int] = {}  # slots by what their workers have been asked

    def start(self, slot: int, log: pathlib.Path) -> None:
        self.actors[slot] = self.actor.remote(self.opening, log.absolute())
        self.awaited[self.actors[slot].ready.remote()] = slot

    def send(self, slot: int, argument: object) -> None:
        self.awaited[self.actors[slot].run.remote(argument)] = slot

    def wait(self, seconds: float) -> dict[int, Message | Died]:
        ready, _ = self.ray.wait(list(self.awaited), timeout=seconds)
        messages: dict[int, Message | Died] = {}
        for reference in ready:
            slot = self.awaited.pop(reference)
            try:
                messages[slot] = self.ray.get(reference)
            except self.ray.exceptions.RayActorError:
                self.actors.pop(slot)
                messages[slot] = Died()
        return messages

    def stop(self, slot: int) -> None:
        self.ray.kill(self.actors.pop(slot))

    def close(self) -> None:
        for slot in list(self.actors):
            self.stop(slot)
        if self.ours:
            self.ray.shutdown()
        for guard in self.guards:
            guard.communicate()


def check_ray() -> None:
    """Raise a UsageError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            "--engine ray must have Ray, which is not installed here. Received: no module 'ray'. "
            "Install it: pip install 'tl-strategies[ray]'."
        )


def _reach(address: str) -> None:
    """Raise a UsageError where nobody listens: Ray itself would ask for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), NO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            "--engine ray:ADDRESS must be HOST:PORT of a Ray cluster that runs, or auto. Received: "
            f"{address}: {error}. Start one: ray start --head."
        ) from error


def _connect(workers: Workers) -> None:
    """Join the cluster at an address, or start one on this machine; signals stay ours."""
    import ray

    address = workers.engine.removeprefix("ray").removeprefix(":")
    if address and address != "auto":
        _reach(address)
    options = {"address": address} if address else {"num_cpus": workers.workers}
    if not address:
        options["include_dashboard"] = False
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        ray.init(log_to_driver=False, configure_logging=False, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"--engine ray:ADDRESS must be that of a Ray cluster that runs. Received: {address}: "
            f"{reason}. Start one: ray start --head."
        ) from error
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
