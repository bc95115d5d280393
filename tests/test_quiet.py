"""TensorFlow's remarks that concern nobody are kept off the screen, its others are not."""

import logging

from tl_strategies.quiet import silence_retracing


def test_retracing_is_not_said_and_other_things_are(caplog):
    for _ in range(2):
        silence_retracing()
    logger = logging.getLogger("tensorflow")
    assert len(logger.filters) == len(set(logger.filters))
    said = [
        logger.filter(logging.LogRecord("tensorflow", logging.WARNING, "", 0, text, (), None))
        for text in ("5 out of 5 calls triggered tf.function retracing", "the disk is full")
    ]
    assert [bool(one) for one in said] == [False, True]
