"""Ten clients lose nothing by a service that is stopped, restarted or upgraded."""

import pytest

from restarts.rounds import KINDS, OfService, play
from service.private_systemd import PrivateSystemd


@pytest.mark.timeout(300)
def test_ten_clients_lose_nothing(systemd: PrivateSystemd) -> None:
    administrator = OfService(systemd)
    administrator.kmctl("service", "install")
    for played in play(administrator, KINDS):
        assert not played.faults, played
        assert played.kind != "restart" or not played.outcomes["nobody there"], played
