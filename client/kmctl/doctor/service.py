"""The service, where kmctl installed one."""

from pathlib import Path

from cco_knowledge.errors import KnowledgeError as LocalError
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup
from kmctl.installed_service import of_this_system
from kmctl.service_manager import Places, ServiceManager

_SANDBOX = {"NoNewPrivs": "1", "Seccomp": "2"}
"""As proc(5) shows what the units ask for."""


def service(setup: Setup) -> Finding:
    manager = of_this_system()
    if manager.places() != Places(setup.home.path, setup.socket):
        return Finding("No service is installed for this home.")
    try:
        manager.require()
        return _judged(manager, setup)
    except LocalError as refused:
        return warning(refused.message, setup.kmctl("service status"))


def sandbox(setup: Setup) -> Finding:
    """What the kernel says of the process, because units that a manager ignores look the same."""
    is_ours = of_this_system().places() == Places(setup.home.path, setup.socket)
    state = Path("/proc", str(setup.status["pid"]), "status") if setup.status else None
    if not is_ours or state is None or not state.exists():
        return Finding("No service runs here, or this system does not tell of its sandbox.")
    facts = dict(line.split(":\t", 1) for line in state.read_text().splitlines())
    missing = [name for name, wanted in _SANDBOX.items() if facts.get(name) != wanted]
    if missing:
        what = f"The kernel does not hold the service to its sandbox ({', '.join(missing)})."
        return warning(what, setup.kmctl("restart"))
    return Finding("The kernel holds the service to its sandbox.")


def _judged(manager: ServiceManager, setup: Setup) -> Finding:
    failure = manager.failure()
    if failure is not None:
        return error(failure, setup.kmctl("start"))
    if not manager.is_listening():
        what = f"{manager.service} is stopped: until the next login no request starts it."
        return warning(what, setup.kmctl("start"))
    if not manager.facts().get("enabled", True):
        what = f"{manager.name} does not listen for {manager.service} after the next login."
        return warning(what, setup.kmctl("service install"))
    listens = f"{manager.name} listens for {manager.service}"
    if manager.is_kept_after_logout() or manager.keeps_after_logout is None:
        return Finding(f"{listens}.")
    return Finding(f"{listens} until you log out; {manager.keeps_after_logout} keeps it.")
