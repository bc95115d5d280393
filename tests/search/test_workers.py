import socket

import keras_tuner
import pytest

from tl_strategies.errors import UsageError
from tl_strategies.search.oracles import OBJECTIVE, Points
from tl_strategies.search.workers import Chief, is_loopback


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.7", False),
        ("example.org", False),
    ],
)
def test_who_can_reach_an_address(address, expected):
    assert is_loopback(address) == expected


def test_a_port_that_is_taken(tmp_path):
    space = keras_tuner.HyperParameters()
    oracle = Points([{"n": 1}], objective=OBJECTIVE, hyperparameters=space)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(UsageError, match="must be free to listen at"):
            Chief(oracle, tmp_path, "127.0.0.1", listener.getsockname()[1])
    assert not list(tmp_path.iterdir())
