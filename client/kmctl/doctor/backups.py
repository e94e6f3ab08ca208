"""Backups: whether there are recent ones, and what of them is only a burden."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cco_knowledge.backups.quarantine import REPORT, all_in
from cco_knowledge.backups.shelf import backups_in
from cco_knowledge.backups.swap import KEPT
from cco_knowledge.paths import Home
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup

_OLD_COPY = timedelta(days=30)
_OLD = timedelta(days=30)
"""Where none is scheduled."""
_INTERVALS_MISSED = 3
_STAMP = "%Y%m%dT%H%M%SZ"


def recent(setup: Setup) -> Finding:
    facts = setup.status.get("backups") if setup.status else None
    if not facts:
        made = backups_in(setup.home.backups)
        newest = f" The newest is {made[-1].name}." if made else ""
        return Finding(f"Not judged: no daemon is ready.{newest}")
    if facts["failed_at"]:
        what = f"The scheduled backup of {facts['failed_at']} failed."
        return error(what, setup.kmctl("backup"))
    if facts["newest"] is None:
        return _without_any(setup, facts)
    what = f"The newest is {facts['newest']}."
    if facts["is_current"]:
        return Finding(f"{what} Nothing has changed since.")
    if datetime.now(UTC) - datetime.fromisoformat(facts["newest_at"]) > _allowed_age(setup):
        return warning(f"{what} The store has changed since.", setup.kmctl("backup"))
    return Finding(what)


def _without_any(setup: Setup, facts: dict[str, Any]) -> Finding:
    if facts["next_at"] is None:
        return warning("There is no backup, and none is scheduled.", setup.kmctl("backup"))
    return Finding(f"There is none yet; the first is due at {facts['next_at']}.")


def _allowed_age(setup: Setup) -> timedelta:
    every_hours = setup.config.config.backup.every_hours if setup.config else 0.0
    return _INTERVALS_MISSED * timedelta(hours=every_hours) if every_hours else _OLD


def old_copies(setup: Setup) -> Finding:
    old = [path for path, made in _copies(setup.home) if datetime.now(UTC) - made > _OLD_COPY]
    if old:
        what = f"{len(old)} copies of the store from before an upgrade or a restore are old."
        return warning(what, f"rm -r {shlex.join(map(str, sorted(old)))}")
    return Finding("No old copy of the store is kept.")


def quarantine(setup: Setup) -> Finding:
    kept = all_in(setup.home.quarantine)
    if not kept:
        return Finding("The daemon has found no table damaged.")
    place, report = kept[-1]
    look = f"cat {shlex.quote(str(place / REPORT))}"
    if report is None:
        return warning(f"{place} holds a table that was found damaged, without a report.", look)
    what = (
        f"A damaged table was set back on {report.created}: {len(report.put_aside)} versions are "
        f"put aside, {len(report.missing_ids)} entries are known to be missing."
    )
    return warning(
        what, f"{look}    # when nothing of it is needed: rm -r {shlex.quote(str(place))}"
    )


def durability(setup: Setup) -> Finding:
    if setup.config is None:
        return Finding("Not judged: the settings are refused.")
    if setup.config.config.store.durability != "full":
        what = 'store.durability is "process": a loss of power takes what was stored last.'
        return warning(what, f"${{EDITOR:-vi}} {shlex.quote(str(setup.home.config))}")
    return Finding("What is acknowledged is on the disk.")


def _copies(home: Home) -> Iterator[tuple[Path, datetime]]:
    """With the moment at which each was made."""
    for backup in backups_in(home.backups):
        if backup.manifest.kind == "upgrade":
            yield backup.path, datetime.fromisoformat(backup.manifest.created)
    for path in home.data.glob(f"{KEPT}*Z*"):
        stamp = path.name.removeprefix(KEPT).partition("-")[0]
        yield path, datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
