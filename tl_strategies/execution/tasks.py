"""Tasks: pieces of work that any process can do, and what comes of them."""

import dataclasses
import importlib
import pathlib
import traceback
from typing import Any, Protocol

from tl_strategies.errors import FULL_DISK, UsageError


@dataclasses.dataclass(frozen=True)
class Task:
    """A piece of work.

    Attributes:
        name: for people.
        argument: what the context's `run` gets; it can be pickled.
        directory: where the task writes its checkpoints and its result.
        measured: whether the memory that a worker holds after it is what its tasks need.
    """

    name: str
    argument: Any
    directory: pathlib.Path
    measured: bool = True


class Context(Protocol):
    """What a process has opened to run tasks: data, networks, the store."""

    def run(self, argument: Any) -> Any:
        """Do a task; what it returns can be pickled."""


@dataclasses.dataclass(frozen=True)
class Opening:
    """How a process opens its context: a function by its name, so that nothing is imported early.

    Attributes:
        function: "package.module:name".
        arguments: of it; they can be pickled.
    """

    function: str
    arguments: tuple = ()

    def __call__(self) -> Context:
        module, name = self.function.split(":")
        return getattr(importlib.import_module(module), name)(*self.arguments)


@dataclasses.dataclass(frozen=True)
class Ended:
    """A task that has ended, well or not.

    Attributes:
        task: that was done.
        result: what it gave; None where it failed.
        error: why it failed; None where it did not.
    """

    task: Task
    result: Any = None
    error: Exception | None = None

    def unwrap(self) -> Any:
        """The result.

        Raises:
            Exception: the task's, where it failed.
        """
        if self.error is not None:
            raise self.error
        return self.result


class TaskError(Exception):
    """A task failed in another process, with an error that is not the user's; its traceback."""

    def __init__(self, message: str, details: str = ""):
        super().__init__(message, details)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n\n{self.details}" if self.details else self.message


def portable(error: Exception) -> Exception:
    """An error that can be sent to another process, whatever class it was of."""
    if isinstance(error, UsageError):
        return UsageError(str(error))
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return OSError(error.errno, error.strerror, str(error.filename or ""))
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return TaskError(message, "".join(traceback.format_exception(error)))
