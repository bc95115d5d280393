"""What an executor asks of those who start its workers."""

import abc
import pathlib

from tl_strategies.execution.tasks import Opening
from tl_strategies.execution.worker import Message


class Died:
    """In the place of a message: the worker is no more."""


class Pool(abc.ABC):
    """Workers by the number of their slot.

    Args:
        opening: of every worker's context.
    """

    def __init__(self, opening: Opening):
        self.opening = opening

    @abc.abstractmethod
    def start(self, slot: int, log: pathlib.Path) -> None:
        """Start a worker, which says when it is ready."""

    @abc.abstractmethod
    def send(self, slot: int, argument: object) -> None:
        """Have a worker that is ready do a task."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> dict[int, Message | Died]:
        """What workers have said by their slots, after so many seconds at most."""

    @abc.abstractmethod
    def stop(self, slot: int) -> None:
        """End a worker at once."""

    @abc.abstractmethod
    def close(self) -> None:
        """End all workers, and leave nothing behind."""

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
