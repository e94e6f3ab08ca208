"""doctor: what is wrong, why it matters, and the command that mends it."""

from collections.abc import Mapping
from typing import Any

import click

from kmctl.options import Command, Invocation
from kmctl.output import print_line, print_table, show

_FAILED = 1


@click.command(cls=Command)
@click.option("--fix", is_flag=True, help="Do what is safe of it, and say what was done.")
@click.pass_obj
def doctor(invocation: Invocation, /, fix: bool) -> int:
    """Look for what is wrong with the home, the installation and the daemon.

    Each problem comes with the command that mends it. --fix closes files that are open to others,
    and removes a socket that nobody listens at and what was left unfinished. It never starts or
    stops a daemon. Exit 0 where nothing is an error, warnings or not.
    """
    report = examination(invocation, fix=fix)
    show(invocation, report, _print_report)
    return 0 if report["ok"] else _FAILED


def examination(invocation: Invocation, *, fix: bool) -> dict[str, Any]:
    from kmctl.doctor.checks import run_checks

    checks = [
        {
            "name": result.check.name,
            "state": result.finding.state,
            "what": result.finding.what,
            "why": result.check.why,
            "fix": result.finding.fix,
            "fixed": result.fixed,
        }
        for result in run_checks(invocation, fix=fix)
    ]
    return {"ok": all(check["state"] != "error" for check in checks), "checks": checks}


def _print_report(report: Any) -> None:
    rows = [(check["state"], check["name"], check["what"]) for check in report["checks"]]
    print_table(("State", "Check", "What"), rows)
    for check in report["checks"]:
        if check["fixed"] is not None:
            print_line(f"\nFixed {check['name']}: {check['fixed']}")
        if check["state"] != "ok":
            _print_problem(check)
    states = [check["state"] for check in report["checks"]]
    counts = f"{states.count('error')} errors, {states.count('warning')} warnings"
    print_line(f"\n{counts}, {len(states)} checks")


def _print_problem(check: Mapping[str, Any]) -> None:
    print_line(f"\n{check['state']} {check['name']}: {check['what']}")
    print_line(f"  {check['why']}")
    print_line(f"  $ {check['fix']}")
