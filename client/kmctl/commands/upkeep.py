"""stats, cleanup, optimize, verify, scrub: what is stored altogether, and keeping it in order."""

from typing import Any

import click

from kmctl import following
from kmctl.options import Command, Invocation, given
from kmctl.output import print_facts, print_line, print_table, show
from kmctl.reach import BULK_LIMIT_S, ask


@click.command(cls=Command)
@click.option("--project", "project_id", help="Of this project; default: of all.")
@click.pass_obj
def stats(invocation: Invocation, /, **options: Any) -> None:
    """Count what is stored."""
    show(invocation, ask(invocation, "knowledge.stats", given(options)), print_facts)


@click.command(cls=Command)
@click.option("--older-than-days", type=int, help="Default: 90.")
@click.option("--project", "project_id", help="Of this project; default: of all.")
@click.option("--type", "type", help="Of this type; default: of all.")
@click.option("--dry-run", is_flag=True, default=None, help="Only show what would be deleted.")
@click.pass_obj
def cleanup(invocation: Invocation, /, **options: Any) -> None:
    """Delete old entries.

    Of all projects, unless --project is given.
    """
    params = given(options)
    result = ask(invocation, "knowledge.cleanup", params, BULK_LIMIT_S)
    show(invocation, result, lambda _: _print_cleaned(result, "dry_run" in params))


@click.command(cls=Command)
@click.pass_obj
def optimize(invocation: Invocation, /) -> None:
    """Fold small files, index all entries and drop old versions now.

    The daemon does this by itself as entries come; stores and searches go on meanwhile. It is a
    job, which goes on when this command is interrupted.
    """
    done = following.run(invocation, "system.optimize", {}, "optimize")
    show(invocation, done, _print_optimized)


@click.command(cls=Command)
@click.pass_obj
def verify(invocation: Invocation, /) -> int:
    """Prove that every entry can be read and agrees with its vectors and the indexes.

    Exit 1 where something does not; what mends it is said. Stores and searches go on meanwhile. It
    is a job, which goes on when this command is interrupted.
    """
    found = following.run(invocation, "system.verify", {}, "verify")
    show(invocation, found, _print_verified)
    return 1 if found["problems"] else 0


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, default=None, help="Only show what would be removed.")
@click.pass_obj
def scrub(invocation: Invocation, /, **options: Any) -> int:
    """Find secrets in what is stored, and remove every byte of them.

    In texts and other fields a marker takes its place; credentials are sealed instead, so
    that their value is not lost. Then all files of the store are written anew, each backup is
    rebuilt without them, logs and records are blotted out, and every byte of the home is searched
    for what was found. Exit 0 where nothing is left, 1 where something is. What was copied
    elsewhere, and what the disk still holds of deleted files, is not reached: change the secrets.
    Searches and stores go on meanwhile. It is a job, which goes on when this command is
    interrupted.
    """
    done = following.run(invocation, "system.scrub", given(options), "scrub")
    show(invocation, done, _print_scrubbed)
    return 1 if done["left"] else 0


def _print_optimized(done: Any) -> None:
    rows = [(name, done["before"][name], done["after"][name]) for name in done["before"]]
    print_table(("", "Before", "After"), rows)


def _print_verified(found: Any) -> None:
    print_line(
        f"{found['rows']} entries read, {found['look_ups']} look-ups through "
        f"{found['indexes']} indexes, {found['files']} files"
    )
    if found["left_over_files"]:
        print_line(f"{found['left_over_files']} files are left over; kmctl optimize removes them.")
    for problem in found["problems"]:
        print_line(f"{problem['count']} {problem['what']}")
        if problem["ids"]:
            more = ", …" if problem["count"] > len(problem["ids"]) else ""
            print_line(f"    {', '.join(problem['ids'])}{more}")
        print_line(f"    {problem['mend']}")
    print_line("Something is wrong." if found["problems"] else "All of it agrees.")


def _print_scrubbed(done: Any) -> None:
    verb = "would be changed" if done["dry_run"] else "changed"
    print_line(f"{done['entries']} entries looked at, {done['secrets']} different secrets found")
    for place, count in done["places"].items():
        print_line(f"    {count} in {place}")
    if done["ordinary"]:
        print_line(f"{done['ordinary']} of them are too short or common to be searched as bytes.")
    for entry_id in done["changed"]:
        print_line(f"{verb}: {entry_id}")
    for copy in done["copies"]:
        rebuilt = "rebuilt" if copy["rebuilt"] else "not rebuilt"
        print_line(f"{copy['path']}: {copy['entries']} entries, {rebuilt}")
    for file in done["files"]:
        blotted = "blotted out" if file["blotted"] else "found"
        print_line(f"{file['path']}: {file['places']} places {blotted}")
    for left in done["left"]:
        print_line(f"Left: {left['path']}: {left['what']}")
    nothing = "Nothing is left in the home." if done["secrets"] else "No secret was found."
    print_line("Something is left." if done["left"] else nothing)


def _print_cleaned(result: Any, dry_run: bool) -> None:
    for entry_id in result["ids"]:
        print_line(entry_id)
    click.echo(f"{result['count']} {'would be deleted' if dry_run else 'deleted'}", err=True)
