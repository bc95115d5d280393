"""Progress bars: drawn in a terminal, quiet elsewhere."""

import sys
from collections.abc import Callable


def progress_bar(count: int, what: str) -> Callable[[int], None]:
    """A function of the number done; the bar appears when it is first called.

    Args:
        count: how many there are.
        what: is done, for the line above the bar.
    """
    if not sys.stdout.isatty():
        return lambda done: None
    bar = None

    def update(done: int) -> None:
        nonlocal bar
        if bar is None:
            import keras

            print(what)
            bar = keras.utils.Progbar(count)
        bar.update(done)

    return update
