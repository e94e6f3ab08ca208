"""The service, where kmctl installed one."""

from cco_knowledge.errors import KnowledgeError as LocalError
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup
from kmctl.installed_service import of_this_system
from kmctl.service_manager import Places


def service(setup: Setup) -> Finding:
    manager = of_this_system()
    if manager.places() != Places(setup.home.path, setup.socket):
        return Finding("No service is installed for this home.")
    try:
        manager.require()
        failure = manager.failure()
        is_listening = manager.is_listening()
    except LocalError as refused:
        return warning(refused.message, setup.kmctl("service status"))
    if failure is not None:
        return error(failure, setup.kmctl("start"))
    if not is_listening:
        what = f"{manager.service} is stopped: until the next login no request starts it."
        return warning(what, setup.kmctl("start"))
    return Finding(f"{manager.name} listens for {manager.service}.")
