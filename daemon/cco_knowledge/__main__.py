"""`cco-knowledged`: the daemon, always in the foreground."""

import argparse
import contextlib
import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cco_knowledge import __version__
from cco_knowledge.errors import KnowledgeError
from cco_knowledge.service_manager import ServiceManager

_EXIT_REFUSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a stop that was asked for; 1 with the reason on stderr when it cannot start."""
    options = argument_parser().parse_args(arguments)
    if options.scan is not None:
        return _scan(options.scan)
    service_manager = ServiceManager.from_environment(os.environ)
    try:
        _serve(options, service_manager)
    except KnowledgeError as error:
        _tell(options.ready_fd, {"error": {"reason": error.reason, "message": error.message}})
        service_manager.notify(f"STATUS={error.message}")
        sys.stderr.write(f"cco-knowledged: {error.message}\n")
        return _EXIT_REFUSED
    return 0


def _serve(options: argparse.Namespace, service_manager: ServiceManager) -> None:
    from cco_knowledge import config, logs, paths, process_memory

    flags = {"home": options.home, "socket.path": options.socket, "model.name": options.model}
    given = {key: value for key, value in flags.items() if value} | _settings(options.set)
    environ = dict(os.environ)
    load = functools.partial(config.load_config, given, environ)
    loaded = load()
    os.umask(0o077)
    paths.prepare_home(loaded.home)
    paths.check_socket_path(loaded.socket_path)
    log = loaded.config.log
    file = options.log_file and logs.LogFile(options.log_file, log.max_bytes, log.backups)
    logs.configure(log.level, file)
    # NOTE: before the libraries that runtime imports: they start threads, and with the first of
    # them glibc has decided how many arenas there may be.
    process_memory.tune_allocator()
    from cco_knowledge import runtime

    runtime.run(
        loaded,
        load,
        service_manager,
        listening_fd=options.listening_fd,
        on_ready=lambda: _tell(options.ready_fd, {"ready": True, "pid": os.getpid()}),
    )


def _scan(folder: Path) -> int:
    """For `kmctl`, which never opens a table itself."""
    from cco_knowledge.store.scan import report

    sys.stdout.write(json.dumps(report(folder)) + "\n")
    return 0


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cco-knowledged",
        description="The knowledge daemon. Runs in the foreground; `kmctl start --detach` puts it "
        "into the background.",
    )
    parser.add_argument("--home", help="its folder (default: $CCO_HOME, else ~/.cco)")
    parser.add_argument("--socket", help="where to listen (default: knowledge.sock in the home)")
    parser.add_argument("--model", help="a known model's name, or the path of a GGUF file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="any other setting; may be repeated (docs/settings.md lists them)",
    )
    parser.add_argument("--log-file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--listening-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _settings(assignments: Sequence[str]) -> dict[str, str]:
    pairs = (assignment.partition("=") for assignment in assignments)
    return {key: value for key, _, value in pairs}


def _tell(descriptor: int | None, message: object) -> None:
    """One line to who started us and waits; then nobody waits any more."""
    if descriptor is None:
        return
    with contextlib.suppress(BrokenPipeError):  # it waited only so long; we go on without it
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
