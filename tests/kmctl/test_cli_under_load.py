"""Ten clients lose nothing by a detached daemon that is stopped, restarted or upgraded."""

import pytest

from outcome import Kmctl
from restarts.rounds import KINDS, Detached, play


@pytest.mark.timeout(300)
def test_ten_clients_lose_nothing(kmctl: Kmctl) -> None:
    administrator = Detached(kmctl.home)
    administrator.kmctl("start", "--detach")
    for played in play(administrator, KINDS):
        assert not played.faults, played
        assert played.kind != "restart" or not played.outcomes["nobody there"], played
