"""Where exceptions become a message and an exit code: section 5 of the contract."""

import itertools
import json
import os
import sys
from collections.abc import Sequence

import click

from cco_knowledge.errors import KnowledgeError as LocalError
from cco_knowledge_client import InvalidParams, KnowledgeError
from kmctl.app import kmctl

_EXIT_OF_REASON = {
    "invalid_params": 2,
    "too_large": 2,
    "unreachable": 3,
    "connection_lost": 3,
    "unauthorized": 4,
    "not_found": 5,
    "conflict": 6,
    "unavailable": 75,
    "deadline_exceeded": 75,
    "overloaded": 75,
    "rate_limited": 75,
}
_FAILED = 1
_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say, and return the exit code."""
    as_json = "--json" in itertools.takewhile(lambda argument: argument != "--", arguments)
    try:
        result = kmctl.main(args=list(arguments), prog_name="kmctl", standalone_mode=False)
        sys.stdout.flush()
    except (KnowledgeError, LocalError) as error:
        return _report(error, as_json=as_json)
    except click.ClickException as error:
        return _report_usage(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return _FAILED
    except OSError as error:
        return _report(_unusable_file(error), as_json=as_json)
    return result if isinstance(result, int) else 0


def _report(error: KnowledgeError | LocalError, *, as_json: bool) -> int:
    if as_json:
        facts = {
            **error.data,
            "code": getattr(error, "code", None),
            "reason": error.reason,
            "retryable": error.retryable,
            "message": error.message,
        }
        click.echo(json.dumps({"error": facts}, ensure_ascii=False, default=str), err=True)
    else:
        click.echo(f"kmctl: {error.message}", err=True)
    return exit_code(error.reason)


def exit_code(reason: str) -> int:
    return _EXIT_OF_REASON.get(reason, _FAILED)


def _report_usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        _report(InvalidParams(error.format_message()), as_json=True)
    else:
        error.show()
    return error.exit_code


def _unusable_file(error: OSError) -> KnowledgeError:
    where = f"{error.filename}: " if error.filename else ""
    return KnowledgeError(f"{where}{error.strerror or error}")


def _forget_stdout() -> None:
    """Nobody reads it any more; Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
