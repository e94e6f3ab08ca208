"""The service of systemd, where kmctl installed one."""

from cco_knowledge.errors import KnowledgeError as LocalError
from kmctl import installed_service, units
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup


def service(setup: Setup) -> Finding:
    try:
        if not installed_service.serves_at(setup.home.path, setup.socket):
            return Finding("No service is installed for this home.")
        failure = installed_service.failure()
        is_listening = installed_service.is_listening()
    except LocalError as refused:
        return warning(refused.message, setup.kmctl("service status"))
    if failure is not None:
        return error(failure, setup.kmctl("start"))
    if not is_listening:
        what = f"{units.SERVICE} is stopped: until the next login no request starts it."
        return warning(what, setup.kmctl("start"))
    return Finding(f"systemd listens for {units.SERVICE}.")
