"""backup, restore: the store at one moment, and back to it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cco_knowledge.paths import Home
from cco_knowledge_client import Conflict
from kmctl import following
from kmctl.commands.lifecycle import launch, stop_running
from kmctl.installed_service import manager_of
from kmctl.options import Command, Invocation
from kmctl.output import print_line, print_table, progress, show
from kmctl.reach import ask, home_of, load_settings, running_status

if TYPE_CHECKING:
    from cco_knowledge.backups.manifest import Manifest
    from kmctl.restoring import DaemonOfHome


@click.command(cls=Command)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False),
    help="Copy it into this folder too, for example on another disk.",
)
@click.option("--list", "is_list", is_flag=True, help="Only show the backups that there are.")
@click.option("--verify", "verified", metavar="NAME|FOLDER", help="Only check this one.")
@click.pass_obj
def backup(
    invocation: Invocation, /, folder: str | None, is_list: bool, verified: str | None
) -> None:
    """Make a backup of the store while the daemon serves.

    All that is stored when the command begins is in it. It is read back before it gets its name:
    each file is summed, the table in it opened and scanned. It lies in the home and shares files
    with the store as long as those do not change, so it protects from mistakes and bad upgrades;
    from a broken disk only a copy on another one does (--to). "kmctl restore" brings it back. It
    does not hold credential.key, which opens sealed credentials: keep a copy of that elsewhere.
    """
    if sum(map(bool, (folder, is_list, verified))) > 1:
        raise click.UsageError("Give one of --to, --list and --verify.")
    if is_list:
        show(invocation, _listed(home_of(invocation)), _print_list)
    elif verified:
        show(invocation, _verified(invocation, verified), _print_verified)
    else:
        show(invocation, _made(invocation, folder), _print_made)


@click.command(cls=Command)
@click.argument("source", metavar="NAME|FOLDER")
@click.option("--dry-run", is_flag=True, help="Check all of it, and change nothing.")
@click.pass_obj
def restore(invocation: Invocation, /, source: str, dry_run: bool) -> None:
    """Bring back what a backup holds, and keep what is there now.

    NAME is one of "kmctl backup --list"; FOLDER is a backup elsewhere, or any copy of a store.
    First it is read, opened and scanned beside the store. Only then a daemon that runs is stopped,
    the two change places, and it is started again, through systemd or launchd where kmctl installed
    it as a service. What was stored since the backup is no longer found; where it is kept is said.
    """
    from kmctl import backup_copies, restoring

    home = home_of(invocation)
    _refuse_other_home(invocation, home)
    model_name = load_settings(invocation).config.model.name
    found = backup_copies.find(source, home)
    with progress("read", in_bytes=True) as draw:
        if dry_run:
            contents, kept, pid = restoring.try_out(found, home, model_name, draw), None, None
        else:
            daemon = _daemon_of(invocation)
            restored = restoring.restore(found, home, model_name, daemon, draw)
            contents, kept, pid = restored.contents, restored.kept, restored.pid
    result = {
        "restored": not dry_run,
        "source": str(found.path),
        "created": found.manifest.created if found.manifest else None,
        "rows": contents.rows,
        "schema_version": contents.schema_version,
        "kept": str(kept) if kept else None,
        "pid": pid,
    }
    show(invocation, result, _print_restored)


def _listed(home: Home) -> dict[str, Any]:
    from cco_knowledge.backups.shelf import backups_in, pinned_bytes

    return {
        "backups": [_facts(each.path, each.manifest) for each in backups_in(home.backups)],
        "pinned_bytes": pinned_bytes(home.backups, home.data),
    }


def _facts(path: Path, manifest: "Manifest") -> dict[str, Any]:
    """As the daemon tells of a backup that it made."""
    return {
        "name": path.name,
        "created": manifest.created,
        "kind": manifest.kind,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "files": len(manifest.files),
        "software": manifest.software,
        "schema_version": manifest.schema_version,
        "table_version": manifest.table_version,
        "model": asdict(manifest.model),
    }


def _made(invocation: Invocation, folder: str | None) -> dict[str, Any]:
    from kmctl import backup_copies

    home = Home(Path(ask(invocation, "system.status")["home"]))
    made: dict[str, Any] = following.run(invocation, "system.backup", {}, "backup", in_bytes=True)
    path, copy = home.backups / made["name"], None
    if folder:
        with progress("copy", in_bytes=True) as draw:
            target = Path(folder).expanduser().absolute()
            copy = backup_copies.copy_into(backup_copies.find(str(path), home), target, draw)
    return {**made, "path": str(path), "copy": str(copy) if copy else None}


def _verified(invocation: Invocation, name: str) -> dict[str, Any]:
    from kmctl import backup_copies

    source = backup_copies.find(name, home_of(invocation))
    with progress("read", in_bytes=True) as draw:
        backup_copies.read_all(source, draw)
    contents = backup_copies.scan(source)
    return {
        "source": str(source.path),
        "created": source.manifest.created if source.manifest else None,
        "rows": contents.rows,
        "schema_version": contents.schema_version,
        "model": contents.model,
        "has_sums": source.manifest is not None,
    }


def _refuse_other_home(invocation: Invocation, home: Home) -> None:
    """The daemon that would be stopped and started must be the one whose store changes."""
    if manager_of(invocation) is not None:
        return  # it serves this home, and must not be woken to be asked
    status = running_status(invocation)
    if status is not None and Path(status["home"]).resolve() != home.path.resolve():
        raise Conflict(
            f"The daemon at {status['socket']} has the home {status['home']}, not {home.path}. "
            "Name one of them with --home and --socket."
        )


def _daemon_of(invocation: Invocation) -> "DaemonOfHome":
    from kmctl.restoring import DaemonOfHome

    manager = manager_of(invocation)
    if manager is None:
        return DaemonOfHome(
            stop=lambda: stop_running(invocation) is not None,
            start=lambda: launch(invocation, None),
        )

    def stop_service() -> bool:
        was_listening = manager.is_listening()
        manager.stop()
        return stop_running(invocation) is not None or was_listening

    return DaemonOfHome(stop=stop_service, start=manager.start)


def _print_made(result: Any) -> None:
    size = f"{result['rows']} entries, {result['bytes'] / 1e6:.1f} MB"
    print_line(f"{result['name']}: {size}, read back.")
    if Home(Path(result["path"]).parents[1]).credential_key.exists():
        print_line("credential.key is not in it; keep a copy of that elsewhere, apart from it.")
    if result["copy"]:
        print_line(f"Its copy, read back too: {result['copy']}")


def _print_list(result: Any) -> None:
    rows = [
        (each["name"], each["created"], each["rows"], f"{each['bytes'] / 1e6:.1f} MB")
        for each in result["backups"]
    ]
    print_table(("Name", "Created", "Entries", "Size"), rows)
    mb = result["pinned_bytes"] / 1e6
    print_line(f"{len(rows)} backups; they keep {mb:.1f} MB that the store no longer has.")


def _print_verified(result: Any) -> None:
    sums = "Every file holds what was written" if result["has_sums"] else "It has no sums to check"
    print_line(f"{sums}, and all {result['rows']} entries can be read.")


def _print_restored(result: Any) -> None:
    made = f" of {result['created']}" if result["created"] else ""
    entries = f"{result['rows']} entries"
    if not result["restored"]:
        print_line(f"The backup{made} can be restored: {entries}. Nothing was changed.")
        return
    print_line(f"The store is that{made} again: {entries}.")
    if result["kept"]:
        print_line(f"What was there is kept. To go back to it: kmctl restore {result['kept']}")
    started = f"is ready again (pid {result['pid']})" if result["pid"] else "was not running"
    print_line(f"The daemon {started}.")
