"""migrate: old knowledge into the daemon, and out again."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cco_knowledge_client import NotFound
from kmctl.options import Command, Invocation
from kmctl.output import print_line, print_table, progress, show, warn
from kmctl.reach import BULK_LIMIT_S, ask, connect

if TYPE_CHECKING:
    from kmctl.migration.report import Report


@click.command(cls=Command)
@click.argument("sources", metavar="SOURCE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and compare everything, store nothing.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report here too, as JSON and as Markdown beside it.",
)
@click.option("--undo", "undo_run", metavar="RUN", help="Remove what this run has brought.")
@click.pass_obj
def migrate(
    invocation: Invocation,
    /,
    sources: tuple[Path, ...],
    dry_run: bool,
    report_file: Path | None,
    undo_run: str | None,
) -> int:
    """Bring in what the old knowledge manager has stored.

    Each SOURCE is a table folder, a repository's folder, or any folder above; all tables below
    it are read, damaged ones as far as that is possible, and never changed. Ids, texts, types,
    times and metadata stay as they were; a field that an entry cannot hold comes in the nearest
    valid form, with the original in the metadata under "_legacy".

    What was brought before is not brought again: run it twice, or again after an interruption,
    and it goes on. The report says what was read, stored, skipped and failed, per folder; it is
    kept in the home under "migrations". The exit code is 1 when anything could not be read.
    """
    if undo_run is not None:
        if sources:
            raise click.UsageError("Give either SOURCE or --undo, not both.")
        return _undo(invocation, undo_run)
    if not sources:
        raise click.UsageError("Give at least one SOURCE.")
    if report_file is not None and not report_file.parent.is_dir():
        raise click.UsageError(f"There is no folder {report_file.parent} for the report.")
    report = _bring(invocation, [path.absolute() for path in sources], dry_run, report_file)
    show(invocation, report.facts(), lambda _: _print_report(report))
    return 0 if report.is_clean else 1


def _bring(
    invocation: Invocation, sources: Sequence[Path], dry_run: bool, report_file: Path | None
) -> "Report":
    from kmctl.migration.folders import find
    from kmctl.migration.report import named, write_report
    from kmctl.migration.run import Run

    places = [place for source in sources for place in find(source)]
    kept_in = _runs_folder(invocation)
    report = _begun_report(kept_in, list(map(named, sources)), dry_run)
    kept_as = kept_in / f"{report.run}.json"
    if not dry_run:
        kept_in.mkdir(mode=0o700, exist_ok=True)
        write_report(report, kept_as)
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        Run(knowledge, report, progress).bring(places)
    report.finished = _now()
    for path in [*([] if dry_run else [kept_as]), *([report_file] if report_file else [])]:
        write_report(report, path)
    return report


def _begun_report(kept_in: Path, sources: list[str], dry_run: bool) -> "Report":
    """Of the run of the same sources that was interrupted, else of a new one."""
    from kmctl.migration.report import Report

    for path in () if dry_run else sorted(kept_in.glob("*.json")):
        earlier = Report.read(path)
        if earlier is not None and earlier.sources == sources and earlier.is_interrupted:
            return earlier
    run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return Report(run=run, sources=sources, dry_run=dry_run, started=_now())


def _undo(invocation: Invocation, run: str) -> int:
    from kmctl.migration.report import mark_undone

    kept_as = _runs_folder(invocation) / f"{run}.json"
    deleted = ask(invocation, "knowledge.undo_migration", {"run": run}, BULK_LIMIT_S)["deleted"]
    if not deleted and not kept_as.is_file():
        raise NotFound(f"No run {run} has brought anything. The runs are in {kept_as.parent}.")
    if kept_as.is_file():
        mark_undone(kept_as, _now())
    show(
        invocation,
        {"run": run, "deleted": deleted},
        lambda _: print_line(f"{deleted} entries that run {run} had brought were deleted."),
    )
    return 0


def _runs_folder(invocation: Invocation) -> Path:
    """In the home of the daemon that answers, whichever way it was reached."""
    return Path(ask(invocation, "system.status")["home"]) / "migrations"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _print_report(report: "Report") -> None:
    names = ("read", "stored", "there", "changed")
    rows: list[list[object]] = []
    for folder in report.folders:
        counts: list[object] = [getattr(folder, name) for name in names]
        rows.append([folder.path, *counts, sum(folder.skipped.values()), len(folder.failed)])
    titles = ("Folder", "Read", "Stored", "There", "Other form", "Skipped", "Failed")
    print_table(titles, rows)
    for folder in report.folders:
        if folder.not_read:
            print_line(f"{folder.path}: {folder.not_read}")
        for failure in folder.failed:
            warn(f"{folder.path} {failure.where}: {failure.why}")
    _print_end(report)


def _print_end(report: "Report") -> None:
    if n_secret := report.total("secret"):
        warn(
            f"{n_secret} records hold what looks like a secret; they are brought as they are. "
            "To remove secrets from what is stored: kmctl scrub"
        )
    for why, n_times in report.skipped().items():
        print_line(f"Skipped: {n_times} times {why}.")
    if report.searches is not None:
        n_found = report.searches.asked - len(report.searches.missed)
        print_line(f"{n_found} of {report.searches.asked} sampled entries are found by searching.")
    if report.dry_run:
        print_line("Dry run: nothing was stored.")
    elif report.total("stored"):
        print_line(f'To take it back: kmctl migrate --undo "{report.run}"')
