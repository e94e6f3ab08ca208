"""`knowledge-manager`: the command of the old Node.js tool, answered by the daemon.

Agents call it once for every fact, so nothing but the standard library and the client is
imported while a daemon runs.
"""

import os
import sys
from collections.abc import Sequence

from cco_knowledge_client import KnowledgeError
from kmctl.knowledge_manager.arguments import parse
from kmctl.knowledge_manager.base import opened
from kmctl.knowledge_manager.commands import COMMANDS, UsageShown, show_usage
from kmctl.knowledge_manager.printing import forget_stdout, remark, say, use_utf8

_FAILED = 1
_INTERRUPTED = 130


def main() -> None:
    use_utf8()
    # What is no UTF-8 is stored as Node stored it.
    sys.exit(run([os.fsencode(word).decode("utf-8", "replace") for word in sys.argv[1:]]))


def run(words: Sequence[str]) -> int:
    """Do what the words say, and return the exit code."""
    name, *rest = words or [""]
    try:
        _run(name, rest)
        sys.stdout.flush()
    except UsageShown:
        return _FAILED
    except KnowledgeError as error:
        return _report(name, error.message)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return _FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _report(name, f"{where}{error.strerror or error}")
    return 0


def _run(name: str, words: Sequence[str]) -> None:
    with opened() as base:
        if name in COMMANDS:
            arguments = parse(words)
            for option in arguments.ignored:
                remark(f"{option} is no option of this command and is ignored.")
            COMMANDS[name](base, arguments)
        else:
            show_usage()
    say("✅ Knowledge Manager closed")


def _report(name: str, message: str) -> int:
    what = f"{name.capitalize()} failed: " if name in COMMANDS else ""
    remark(f"❌ {what}{message}")
    remark(f"Fatal error: {message}")
    return _FAILED
