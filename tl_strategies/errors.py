"""What a user can get wrong is a UsageError: commands print its message and exit with code 2."""

import difflib
import errno
from collections.abc import Iterable

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk cannot hold what is written


class UsageError(ValueError):
    """Something in the call or the data must change before any training can start.

    The message says what must be, what was received, and how to mend it.
    """


def unknown(what: str, received: str, choices: Iterable[str], hint: str = "") -> UsageError:
    """An error for a name that is not among the choices, with the nearest one named."""
    choices = list(choices)
    message = f"{what} must be one of {', '.join(choices)}. Received: {received}."
    if likely := nearest(received, choices):
        message += f" Did you mean {likely!r}?"
    return UsageError(f"{message} {hint}".rstrip())


def nearest(received: object, choices: Iterable[str]) -> str:
    """The choice that was probably meant; none if nothing is near."""
    found = difflib.get_close_matches(str(received), list(choices), n=1, cutoff=0.5)
    return found[0] if found else ""
