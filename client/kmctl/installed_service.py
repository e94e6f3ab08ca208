"""The service manager of this system, and whether it runs the daemon that is meant."""

import sys

from cco_knowledge_client import Unreachable
from kmctl.options import Invocation
from kmctl.reach import home_of, socket_path
from kmctl.service_manager import Places, ServiceManager


def of_this_system() -> ServiceManager:
    is_macos = sys.platform == "darwin"
    if is_macos:
        from kmctl.launchd import Launchd

        return Launchd()
    from kmctl.systemd import Systemd

    return Systemd()


def manager_of(invocation: Invocation) -> ServiceManager | None:
    """Of the daemon that is meant, where kmctl installed it as a service.

    Raises:
        ServiceManagerFailed: it did, and the manager cannot be asked.
    """
    manager = of_this_system()
    if manager.places() != meant(invocation):
        return None
    manager.require()
    return manager


def meant(invocation: Invocation) -> Places:
    return Places(home_of(invocation).path, socket_path(invocation))


def refuse_to_wake(manager: ServiceManager) -> None:
    """Raises Unreachable where a connection would start the service, or nobody listens for it."""
    failure = manager.failure()
    if failure is not None:
        raise Unreachable(f"{failure} When that is mended: kmctl start")
    if manager.main_pid() is None and manager.is_listening():
        raise Unreachable(
            f"{manager.service} is not running; {manager.name} listens, and the next request "
            "starts it. More: kmctl service status"
        )
