"""jobs: long work that the daemon does on its own."""

from typing import Any

import click

from kmctl import following
from kmctl.options import Group, Invocation
from kmctl.output import print_facts, print_line, print_table, progress, show
from kmctl.reach import ask, connect


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """List long work, or wait for it, or end it.

    Imports, migrations, optimize, verify, backup and scrub go on when who asked for them has gone.
    What a stop of the daemon has interrupted is listed as such.
    """
    if context.invoked_subcommand is None:
        invocation = context.find_object(Invocation)
        assert invocation is not None  # noqa: S101  # made with the context
        result = ask(invocation, "job.list")
        show(invocation, result, lambda _: _print_jobs(result["jobs"]))


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.pass_obj
def get(invocation: Invocation, /, job_id: str) -> None:
    """Show one job with its result."""
    show(invocation, ask(invocation, "job.get", {"id": job_id}), print_facts)


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.pass_obj
def wait(invocation: Invocation, /, job_id: str) -> int:
    """Wait until a job has ended, and show it; exit 0 if it is done, 1 if not."""
    with connect(invocation) as knowledge, progress("job") as draw:
        job = following.wait(knowledge, {"id": job_id}, draw, invocation.timeout_s)
    show(invocation, job, print_facts)
    return 0 if job["state"] == "done" else 1


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.pass_obj
def cancel(invocation: Invocation, /, job_id: str) -> None:
    """End a job early; what it did stays."""
    job = ask(invocation, "job.cancel", {"id": job_id})
    show(invocation, job, lambda _: print_line(f"{job['id']} is {job['state']}."))


def _print_jobs(jobs: list[dict[str, Any]]) -> None:
    if not jobs:
        print_line("No jobs.")
        return
    rows = [
        (job["id"], job["state"], _progress_of(job), job["created_at"], job["finished_at"])
        for job in jobs
    ]
    print_table(("Job", "State", "Done", "Begun", "Ended"), rows)


def _progress_of(job: dict[str, Any]) -> str:
    return str(job["done"]) if job["total"] is None else f"{job['done']} of {job['total']}"
