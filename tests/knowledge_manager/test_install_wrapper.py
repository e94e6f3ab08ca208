"""scripts/install-wrapper, run from a checkout whose path asks for quoting."""

import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from manager_command import COMMAND, Manager
from outcome import Outcome

SCRIPTS = Path(__file__).parents[2] / "scripts"
NODE = shutil.which("node")
OLD_SCRIPT = """\
const which = require("./which");
class KnowledgeManager {}
if (require.main === module) console.log("the old command");
module.exports = { KnowledgeManager, which };
"""

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


@dataclass(frozen=True, slots=True)
class Checkout:
    manager: Manager
    root: Path

    @property
    def wrapper(self) -> Path:
        """Where it is put when nobody says."""
        return self.manager.home / ".claude" / "bin" / "knowledge-manager"

    def install(self, *options: str | Path) -> Outcome:
        return self.manager.run(
            [str(self.root / "scripts" / "install-wrapper"), *map(str, options)]
        )


@pytest.fixture
def checkout(manager: Manager, tmp_path: Path) -> Checkout:
    """With a .venv as scripts/setup makes it, as far as the script looks at it."""
    root = tmp_path / 'it\'s a "check\\out" $HOME'
    (root / "scripts").mkdir(parents=True)
    for name in ("install-wrapper", "wrapper.py"):
        shutil.copy(SCRIPTS / name, root / "scripts" / name)
    bin_folder = root / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "python").symlink_to(sys.executable)
    command = bin_folder / "knowledge-manager"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    shutil.rmtree(manager.home / ".claude", ignore_errors=True)
    return Checkout(manager, root)


@pytest.fixture
def old_script(tmp_path: Path) -> Path:
    folder = tmp_path / 'old "tool" \'s' / "src"
    folder.mkdir(parents=True)
    (folder / "which.js").write_text('module.exports = "old";\n')
    script = folder / "knowledge-manager.js"
    script.write_text(OLD_SCRIPT)
    script.chmod(0o744)
    return script


def test_the_wrapper_runs_the_command_of_this_checkout(checkout: Checkout) -> None:
    installed = checkout.install()
    assert (installed.code, installed.err) == (0, "")
    assert str(checkout.wrapper) in installed.out
    assert stat.S_IMODE(checkout.wrapper.stat().st_mode) == 0o755
    text = 'it\'s "two"\nlines $HOME'
    stored = checkout.manager.run([str(checkout.wrapper), "store", text, "issue"])
    assert (stored.code, stored.err) == (0, "")
    assert "✅ Stored knowledge: issue from cli\n" in stored.out
    assert checkout.manager.run([str(checkout.wrapper), "store"]).code == 1


def test_installing_again_changes_nothing_and_removing_leaves_nothing(
    checkout: Checkout, old_script: Path
) -> None:
    assert checkout.install("--node", old_script).code == 0
    before = (checkout.wrapper.read_bytes(), old_script.read_bytes())
    assert checkout.install("--node", old_script).code == 0
    assert checkout.install().code == 0
    assert (checkout.wrapper.read_bytes(), old_script.read_bytes()) == before
    removed = checkout.install("--remove")
    assert (removed.code, removed.err) == (0, "")
    assert list(checkout.wrapper.parent.iterdir()) == []
    assert old_script.read_text() == OLD_SCRIPT
    assert stat.S_IMODE(old_script.stat().st_mode) == 0o744
    assert sorted(path.name for path in old_script.parent.iterdir()) == [
        *("knowledge-manager.js", "which.js")
    ]
    again = checkout.install("--remove")
    assert (again.code, again.out) == (0, f"{checkout.wrapper} is not there.\n")


def test_a_file_that_it_did_not_write_stays(checkout: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    own = folder / "knowledge-manager"
    own.write_text("#!/bin/sh\n")
    for options in ((), ("--remove",)):
        refused = checkout.install("--into", folder, *options)
        assert (refused.code, refused.out) == (1, "")
        assert "Move it away, or choose another folder with --into." in refused.err
    assert own.read_text() == "#!/bin/sh\n"
    own.unlink()
    own.symlink_to("nowhere")
    assert checkout.install("--into", folder).code == 1


def test_an_old_script_that_was_kept_before_is_not_lost(
    checkout: Checkout, old_script: Path
) -> None:
    kept = old_script.with_name("knowledge-manager.js.before-cco")
    kept.write_text("kept")
    refused = checkout.install("--node", old_script)
    assert (refused.code, refused.out) == (1, "")
    assert f"{kept} is there already." in refused.err
    assert (kept.read_text(), old_script.read_text()) == ("kept", OLD_SCRIPT)
    assert not checkout.wrapper.exists()
    missing = checkout.install("--node", old_script.with_name("none.js"))
    assert (missing.code, "is no file" in missing.err) == (1, True)


@needs_node
def test_the_old_script_runs_the_wrapper_and_keeps_its_class(
    checkout: Checkout, old_script: Path
) -> None:
    assert NODE is not None
    assert checkout.install("--node", old_script).code == 0
    manager = checkout.manager
    stored = manager.run([NODE, str(old_script), "store", "from 'node'", "--type", "edit"])
    assert stored.code == 0
    assert "✅ Stored knowledge: general from cli\n" in stored.out
    assert stored.err.startswith("The type edit is not known")
    assert manager.run([NODE, str(old_script), "search", "x", "-1"]).code == 1
    code = "const m = require(process.argv[1]); console.log(m.KnowledgeManager.name, m.which)"
    loaded = manager.run([NODE, "-e", code, str(old_script)])
    assert (loaded.code, loaded.out) == (0, "KnowledgeManager old\n")
    checkout.install("--remove")
    assert manager.run([NODE, str(old_script)]).out == "the old command\n"


def test_the_command_is_set_up_first_where_it_is_missing(checkout: Checkout) -> None:
    command = checkout.root / ".venv" / "bin" / "knowledge-manager"
    made = command.rename(checkout.root / "made")
    setup = checkout.root / "scripts" / "setup"
    setup.write_text(f"#!/bin/sh\nmv {shlex.quote(str(made))} {shlex.quote(str(command))}\n")
    setup.chmod(0o755)
    assert checkout.install().code == 0
    assert checkout.manager.run([str(checkout.wrapper), "stats"]).code == 0
    subprocess.run(["/bin/sh", "-n", str(checkout.wrapper)], check=True)
