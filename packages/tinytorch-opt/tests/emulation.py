"""A Raspberry Pi's processor on this machine: Debian's Python for aarch64 under qemu, with the
wheels from PyPI that a Pi installs.

    board = Board(folder, "cortex-a72")      # a Pi 4; "cortex-a76" is a Pi 5
    board.run("infer.py", "--self-test")

Everything is fetched into one folder by apt-get (with a state of its own: the machine's packages
stay as they are) and pip, once; `TINYTORCH_EMULATION` names it. Needs Debian or what descends from
it, and x86-64. Left out: timing. What takes a second here says nothing about a Pi.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUITE, PYTHON = "bookworm", "3.11"  # of Raspberry Pi OS 12
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = os.environ.get("TINYTORCH_DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = ("python3", "libstdc++6", "libgomp1", "libatomic1")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
PURE = ("protobuf", "flatbuffers", "packaging")

# what /proc/cpuinfo says of a core: number of the part, features. ONNX Runtime reads it at import,
# and dies of one that describes an x86.
PARTS = {
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
}


class NotHereError(RuntimeError):
    """The emulator, or what should run in it, cannot be had; the message says what was tried."""


def called(*command: Any, **options: Any) -> str:
    """Run a command and return what it says. Raises NotHereError where it fails."""
    try:
        ran = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, timeout=600,
            **options,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHereError(f"{command[0]}: {error}") from None
    if ran.returncode:
        last = (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1:]
        raise NotHereError(f"{' '.join(map(str, command[:3]))} ...: {' '.join(last)}")
    return ran.stdout


def unpack(debs: Sequence[Path], into: Path) -> None:
    """Unpack Debian packages; their scripts are not run."""
    into.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        called("dpkg-deb", "--extract", deb, into)


def qemu(folder: Path) -> Path:
    """The emulator: the installed one, or Debian's package unpacked into the folder."""
    installed = shutil.which("qemu-aarch64-static")
    if installed:
        return Path(installed)
    program = folder / "qemu" / "usr" / "bin" / "qemu-aarch64-static"
    if not program.is_file():
        debs = folder / "qemu-deb"
        debs.mkdir(parents=True, exist_ok=True)
        try:
            called("apt-get", "download", "qemu-user-static", cwd=debs)
        except NotHereError:
            called("apt-get", "update")  # lists of yesterday name files that are gone
            called("apt-get", "download", "qemu-user-static", cwd=debs)
        unpack(sorted(debs.glob("*.deb")), folder / "qemu")
        shutil.rmtree(debs)
        for other in program.parent.iterdir():  # 370 MB of emulators of other processors
            if other != program:
                other.unlink()
    return program


def sysroot(folder: Path) -> Path:
    """The files of a small aarch64 Debian with Python."""
    root = folder / f"root-{SUITE}"
    if (root / "complete").exists():
        return root
    if not KEYS.is_file():
        raise NotHereError(f"{KEYS} is not here, so that Debian's packages cannot be checked")
    state = folder / f"apt-{SUITE}"
    for name in ("lists/partial", "archives/partial", "dpkg"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "dpkg" / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} {SUITE} main\n")
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "dpkg" / "status",
        "Dir::Cache::archives": state / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
    }
    apt = ["apt-get", "--quiet", *(f"-o{key}={value}" for key, value in settings.items())]
    called(*apt, "update")
    called(*apt, "install", "--yes", "--download-only", "--no-install-recommends", *PACKAGES)
    unpack(sorted((state / "archives").glob("*.deb")), root)
    shutil.rmtree(state)
    (root / "complete").touch()
    return root


def wheels(folder: Path, numpy: str) -> Path:
    """A folder of packages that Python imports: ONNX Runtime and NumPy for aarch64.

    numpy  what pip is asked for, such as "numpy>=2"
    """
    site = folder / f"site-{numpy.translate(str.maketrans('<>=,', '----'))}"
    if (site / "complete").exists():
        return site
    kept = folder / "wheels" / site.name
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", kept]
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    called(
        *download, "--only-binary=:all:", "--python-version", PYTHON, *platforms,
        "onnxruntime>=1.24,<1.32", numpy, *PURE,
    )  # fmt: skip
    for wheel in kept.glob("*.whl"):
        with zipfile.ZipFile(wheel) as content:
            content.extractall(site)
    shutil.rmtree(kept)
    (site / "complete").touch()
    return site


class Board:
    """A processor, with Python and the wheels on it.

    cpu    a key of `PARTS`
    numpy  which NumPy

    Raises NotHereError where one of them cannot be had.
    """

    def __init__(self, folder: Path, cpu: str, numpy: str = "numpy>=2") -> None:
        if sys.platform != "linux" or os.uname().machine != "x86_64":
            raise NotHereError(f"{sys.platform} on {os.uname().machine}: x86-64 Linux is needed")
        self.cpu = cpu
        self.emulator = qemu(folder)
        self.site = wheels(folder, numpy)
        root = sysroot(folder)
        # qemu looks below -L first, for this file too: each processor has a root of its own
        self.root = folder / f"root-{SUITE}-{cpu}"
        (self.root / "proc").mkdir(parents=True, exist_ok=True)
        for entry in root.iterdir():
            link = self.root / entry.name
            if not link.is_symlink() and entry.name != "complete":
                link.symlink_to(entry)
        if not (self.root / "lib").exists():
            (self.root / "lib").symlink_to(root / "usr" / "lib")
        part, features = PARTS[cpu]
        core = (
            "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: {}\nCPU implementer\t: 0x41\n"
            "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {}\nCPU revision\t: 3\n\n"
        )
        cores = "".join(core.format(i, features, part) for i in range(4))
        (self.root / "proc" / "cpuinfo").write_text(cores)
        cpus = self.root / "sys" / "devices" / "system" / "cpu"
        cpus.mkdir(parents=True, exist_ok=True)
        for name in ("possible", "present"):
            (cpus / name).write_text("0-3\n")

    def run(self, *arguments: Any) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments on the emulated processor."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment |= {"PYTHONPATH": str(self.site), "OMP_NUM_THREADS": "1"}
        python = self.root / "usr" / "bin" / f"python{PYTHON}"
        command = [self.emulator, "-cpu", self.cpu, "-L", self.root, python, "-B", *arguments]
        return subprocess.run(
            [*map(str, command)], env=environment, capture_output=True, text=True, check=False,
            timeout=600,
        )  # fmt: skip
