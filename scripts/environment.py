"""Makes .venv hold what requirements/ says. The body of scripts/setup; standard library only.

llama-cpp-python comes as source and is compiled for the CPU that it runs on. Its wheel is kept in
the user's cache, under everything that decides whether it would run here, so it is compiled once.
Package indexes and mirrors are those of pip's and uv's own settings; what they may give is decided
by the hashes in requirements/.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin/python")
UV = str(VENV / "bin/uv")
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cco-knowledge"
REQUIREMENTS = ROOT / "requirements"
MODEL_CACHE = ROOT / "tests/model_cache.py"
WITHOUT_COMMON = ROOT / "scripts/without_common.cmake"
COMPILE_OPTIONS = f"-DLLAVA_BUILD=OFF {os.environ.get('CMAKE_ARGS', '')}"
LLAMA = "llama-cpp-python"
MARKER = ".set-up-for-{}"
PROFILES = ("run", "test")
FEATURE_LINES = (b"flags", b"Features", b"isa")
"""How /proc/cpuinfo names a CPU's instruction sets on x86, Arm and RISC-V."""
TELL_EVERY_S = 15.0
LOG_TAIL_LINES = 30


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    profile = sys.argv[1] if len(sys.argv) > 1 else "run"
    if profile not in PROFILES:
        sys.exit("Usage: scripts/setup [run|test]")
    if not is_ready(profile):
        with locked(ROOT, "Another setup of this checkout is running; waiting for it."):
            if not is_ready(profile):
                set_up(profile)
    if profile == "test":
        fetch_model(CACHE / "models")


def is_ready(profile: str) -> bool:
    wanted = fingerprint()
    markers = [path for path in (marker(profile), marker("test")) if path.exists()]
    return shutil.which(PYTHON) is not None and wanted in (path.read_text() for path in markers)


def set_up(profile: str) -> None:
    wheel_folder = CACHE / "wheels" / llama_key()
    if not cached_wheel(wheel_folder):
        require_compiler()
    print("Setting up .venv: 200 MB to download, unless uv has them in its cache.", flush=True)
    for stale in VENV.glob(MARKER.format("*")):
        stale.unlink()
    make_venv()
    install_locked(PYTHON, profile)
    uv_install(PYTHON, ["--no-deps", str(llama_wheel(wheel_folder))])
    uv_install(PYTHON, ["--no-deps", "--no-build-isolation", "-e", "."])
    marker(profile).write_text(fingerprint())


def marker(profile: str) -> Path:
    return VENV / MARKER.format(profile)


def fingerprint() -> str:
    """Changes with everything that decides what .venv has to hold."""
    files = (*sorted(REQUIREMENTS.iterdir()), ROOT / "pyproject.toml", Path(__file__))
    return digest(*(path.read_bytes() for path in files), str(ROOT).encode(), cpu_features())


def make_venv() -> None:
    if not works(PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"):
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    command = [*PIP, "install", "-q", "--require-hashes", "-r", "/dev/stdin"]
    subprocess.run(command, check=True, input=requirement("uv"), text=True)


def install_locked(python: str, name: str) -> None:
    """All of requirements/`name`.txt but llama-cpp-python."""
    wanted = "\n".join(line for line in requirements(name) if not line.startswith(f"{LLAMA}=="))
    uv_install(python, ["--require-hashes", "-r", "-"], wanted)


def uv_install(python: str, what: Sequence[str], stdin: str | None = None) -> None:
    command = [UV, "pip", "install", "-q", "-p", python, *what]
    subprocess.run(command, check=True, cwd=ROOT, input=stdin, text=True)


def requirements(name: str) -> list[str]:
    """One a line, each with its hashes."""
    text = (REQUIREMENTS / f"{name}.txt").read_text("utf-8")
    return text.replace("\\\n", " ").splitlines()


def requirement(package: str) -> str:
    return next(line for line in requirements("run") if line.startswith(f"{package}=="))


def llama_key() -> str:
    version, *hashes = requirement(LLAMA).removeprefix(f"{LLAMA}==").replace("--hash=", "").split()
    system = f"{sysconfig.get_platform()} {platform.libc_ver()}"
    decisive = "\n".join((*hashes, COMPILE_OPTIONS, system))
    key = digest(decisive.encode(), WITHOUT_COMMON.read_bytes(), cpu_features())
    return f"{version}-{key}"


def cpu_features() -> bytes:
    """The instructions that `-march=native` may have used; elsewhere they would be fatal."""
    if sys.platform == "darwin":
        names = ("machdep.cpu.brand_string", "machdep.cpu.features", "machdep.cpu.leaf7_features")
        # An Apple CPU has only the first.
        return subprocess.run(["sysctl", "-n", *names], check=False, capture_output=True).stdout
    lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith(FEATURE_LINES)}))


def llama_wheel(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "Another setup is compiling llama.cpp; waiting for it."):
        return cached_wheel(folder) or compile_llama(folder)


def cached_wheel(folder: Path) -> Path | None:
    return next(folder.glob("*.whl"), None)


def compile_llama(folder: Path) -> Path:
    log, work = folder / "compile.log", folder / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a setup that was killed
    try:
        command, environ = compile_command(work)
        print("Compiling llama.cpp: 2 to 9 minutes, once on this machine.", flush=True)
        print(f"  log: {log}", flush=True)
        run_logged(command, environ, log)
        made = next((work / "wheel").glob("*.whl"))
        return made.replace(folder / made.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def compile_command(work: Path) -> tuple[list[str], dict[str, str]]:
    """Everything that the compilation leaves behind, killed or not, is inside `work`."""
    temporary, python = work / "tmp", work / "venv/bin/python"
    temporary.mkdir(parents=True)
    run([UV, "venv", "-q", "-p", PYTHON, str(work / "venv")])
    install_locked(str(python), "compile")
    source = work / "source.txt"
    source.write_text(requirement(LLAMA))
    # NOTE: without --no-cache-dir pip would give a wheel that was compiled with other options, or
    # on another CPU that shares the home folder.
    pip_wheel = [*PIP, "--python", str(python), "--no-cache-dir", "wheel"]
    flags = ["--no-deps", "--no-build-isolation", "--require-hashes", "-w", str(work / "wheel")]
    without_common = shlex.quote(f"-DCMAKE_PROJECT_INCLUDE={WITHOUT_COMMON}")
    environ = os.environ | {
        "CMAKE_ARGS": f"{COMPILE_OPTIONS} {without_common}",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(temporary),
    }
    return [*pip_wheel, *flags, "-r", str(source)], environ


def run_logged(command: Sequence[str], environ: dict[str, str], log: Path) -> None:
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_and_tell(process, started)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
    if process.returncode:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])
        sys.exit(f"{tail}\n\nCompiling llama.cpp failed. All of its output is in {log}")


def wait_and_tell(process: subprocess.Popen[bytes], started: float) -> None:
    while True:
        try:
            process.wait(TELL_EVERY_S)
        except subprocess.TimeoutExpired:
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            print(f"  still compiling after {minutes} min {seconds:02} s", flush=True)
        else:
            return


def require_compiler() -> None:
    chosen = os.environ.get("CXX")
    candidates = [shlex.split(chosen)] if chosen else [["c++"], ["g++"], ["clang++"]]
    # On macOS the command is there without the compiler, and fails.
    if not any(works(*candidate, "--version") for candidate in candidates):
        sys.exit(
            "A C++ compiler is needed to compile llama.cpp, and none was found. Install one:\n"
            "  Debian, Ubuntu:  sudo apt-get install g++\n"
            "  Fedora:          sudo dnf install gcc-c++\n"
            "  macOS:           xcode-select --install"
        )


def fetch_model(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "Another setup is fetching the model; waiting for it."):
        run([PYTHON, str(MODEL_CACHE)])


@contextlib.contextmanager
def locked(folder: Path, waiting: str) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waiting, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def works(*command: str) -> bool:
    found = shutil.which(command[0]) is not None
    return found and not subprocess.run(command, check=False, capture_output=True).returncode


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:16]


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"Setting up failed: {shlex.join(map(str, error.cmd))}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
