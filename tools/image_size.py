"""Do what the Dockerfile says in a fresh Debian, without an engine, and say what each layer weighs.

``python tools/image_size.py WHEELS ROOT`` (as root, with debootstrap) reads the Dockerfile's own
lines. ROOT is made: the release that the base image is of, with its Python;
every RUN of the stages of the image is run in it and every COPY copied, with pip fed from
``WHEELS/x86_64``. WHEELS is what docs/maintaining.md downloads, a folder for each kind of machine,
and ``WHEELS/build`` what the wheel of scenesearch is built with (``pip download hatchling -d
WHEELS/build``). The base image builds a Python of its own; here it is Debian's of the same version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL_MB, LAST_MB = 900, 60
MB = 1_000_000
PIP = "/tmp/base-pip"  # in the root: the pip that the base image brings
SLIM = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
"""What the slim images of Debian leave out."""


def instructions(text: str) -> list[list[str]]:
    """Stages of a Dockerfile, each from its FROM on; comments and continuations undone."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    stages: list[list[str]] = []
    for line in whole:
        if line.startswith("FROM "):
            stages.append([])
        if stages:
            stages[-1].append(line)
    return stages


def of_image(stages: list[list[str]]) -> list[list[str]]:
    """The stages that the last one is made of, in the order they are built in."""
    named = {re.split(r" AS ", stage[0])[-1]: stage for stage in stages if " AS " in stage[0]}
    wanted: list[list[str]] = []

    def add(stage: list[str]) -> None:
        parts = [stage[0].split()[1], *re.findall(r"--from=(\w+)", "\n".join(stage))]
        for name in parts:
            if name in named and named[name] not in wanted:
                add(named[name])
        if stage not in wanted:
            wanted.append(stage)

    add(stages[-1])
    return wanted


def weight(path: Path) -> int:
    """Bytes of the files under a path; of a file with several names once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            stat = os.lstat(Path(folder) / name)
            seen[(stat.st_dev, stat.st_ino)] = stat.st_size
    return sum(seen.values())


def unpacked(wheels: Path) -> dict[str, int]:
    """Bytes of what each wheel of a folder holds, by distribution."""
    sizes = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
            sizes[name] = sum(one.file_size for one in archive.infolist())
    return sizes


def fresh(root: Path, base: str) -> None:
    """The release of the base image with Debian's Python, slim, and a pip beside it."""
    release = base.rpartition("-")[2]
    more = "ca-certificates,netbase,tzdata,python3,python3-venv"
    shell(["debootstrap", "--variant=minbase", f"--include={more}", release, str(root)])
    inside(root, f"python3 -m venv {PIP} && ln -sf python3 /usr/bin/python", {})
    slim(root)


def slim(root: Path) -> None:
    """Take away what the slim images leave out."""
    for folder in SLIM:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)


def inside(root: Path, command: str, environment: dict[str, str], cwd: str = "/") -> None:
    """Run a shell command in the root."""
    path = f"{environment.get('PATH', '/usr/bin:/bin:/usr/sbin:/sbin')}:{PIP}/bin"
    values = {**environment, "PATH": path, "LC_ALL": "C.UTF-8"}
    set_ = [f"{name}={value}" for name, value in values.items()]
    shell(["chroot", str(root), "env", "-i", *set_, "sh", "-ec", f"cd {cwd}; {command}"])


def shell(command: list[str]) -> None:
    """Run it, or end with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class Build:
    """The stages of an image, one after another in one root.

    Args:
        root: a fresh one.
        wheels: what pip may install.

    Attributes:
        layers: what each step of the image added, in bytes, by its line.
        environment: of the container.
    """

    def __init__(self, root: Path, wheels: list[Path]) -> None:
        self.root = root
        self.layers: dict[str, int] = {}
        self.environment: dict[str, str] = {}
        for folder in wheels:
            shutil.copytree(folder, root / "tmp" / "wheels", dirs_exist_ok=True)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")

    def run(self, stages: list[list[str]]) -> None:
        """Do every step."""
        ours = [
            stages[-1],
            *(s for s in stages if s[0].endswith(f" AS {stages[-1][0].split()[1]}")),
        ]
        for stage in stages:
            environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
            cwd = "/"
            for line in stage[1:]:
                kind, _, rest = line.partition(" ")
                if kind == "ENV":
                    pairs = re.findall(r"(\w+)=(\S+)", rest)
                    environment |= {k: v.replace("$PATH", environment["PATH"]) for k, v in pairs}
                elif kind == "WORKDIR":
                    cwd = rest
                    (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
                elif kind in {"RUN", "COPY"}:
                    before = weight(self.root)
                    if kind == "RUN":
                        self._run(rest, environment, cwd)
                    else:
                        self._copy(rest, cwd)
                    if stage in ours:
                        self.layers[line[:70]] = self._added(line, before)
            if stage in ours:
                self.environment |= environment

    def _run(self, command: str, environment: dict[str, str], cwd: str) -> None:
        command = re.sub(r"--mount=\S+\s*", "", command)
        fed = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/tmp/wheels", "PIP_NO_CACHE_DIR": "1"}
        inside(self.root, command, {**environment, **fed}, cwd)
        slim(self.root)

    def _copy(self, rest: str, cwd: str) -> None:
        found = re.fullmatch(r"--from=\w+ (\S+) (\S+)", rest)
        if found:
            source, target = (self.root / one.lstrip("/") for one in found.groups())
            if source != target:
                shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
            return
        *names, to = rest.split()
        # an absolute path would lead out of the root
        target = self.root / (to if to.startswith("/") else f"{cwd}/{to}").lstrip("/")
        for name in names:
            if (ROOT / name).is_dir():
                leave = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(ROOT / name, target, dirs_exist_ok=True, ignore=leave)
            else:
                shutil.copy(ROOT / name, target / name if to in {"/", "./"} else target)

    def _added(self, line: str, before: int) -> int:
        found = re.match(r"COPY --from=\w+ (\S+)", line)
        # stages share this root, so what comes from another is there already
        return weight(self.root / found[1].lstrip("/")) if found else weight(self.root) - before


def main() -> int:
    """Build, weigh, and compare with the goals."""
    wheels, root = Path(sys.argv[1]), Path(sys.argv[2])
    text = (ROOT / "Dockerfile").read_text("utf-8")
    stages = of_image(instructions(text))
    base = re.search(r"^ARG BASE=(\S+)", text, re.M)
    assert base is not None
    if root.exists():
        raise SystemExit(f"{root} is there already; expected a folder to make")
    fresh(root, base[1])
    bare = weight(root) - weight(root / PIP.lstrip("/"))
    build = Build(root, [wheels / "x86_64", wheels / "build"])
    build.run(stages)
    say = sys.stdout.write
    say(f"{bare / MB:8.1f} MB  {base[1]}, with Debian's Python\n")
    for line, size in build.layers.items():
        say(f"{size / MB:8.1f} MB  {line}\n")
    whole, last = bare + sum(build.layers.values()), list(build.layers.values())[-1]
    say(f"{whole / MB:8.1f} MB  in all, at most {GOAL_MB}\n")
    say(f"{last / MB:8.1f} MB  of it the last layer, at most {LAST_MB}\n\n")
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    for image in re.findall(r"^    image: (\S+)", compose, re.M):
        say(f"compose: {image}\n")
    tables = {machine: unpacked(wheels / machine) for machine in ("x86_64", "aarch64")}
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.M)
    say(f"\n{'unpacked, MB':32} {'amd64':>8} {'arm64':>8}\n")
    for name in locked:
        sizes = [tables[machine].get(name) for machine in tables]
        row = " ".join(f"{'none' if one is None else f'{one / MB:.1f}':>8}" for one in sizes)
        say(f"{name:32} {row}\n")
    sums = " ".join(f"{sum(one.values()) / MB:8.1f}" for one in tables.values())
    say(f"{'in all':32} {sums}\n")
    missing = [name for name in locked for one in tables.values() if name not in one]
    return int(bool(missing) or whole > GOAL_MB * MB or last > LAST_MB * MB)


if __name__ == "__main__":
    raise SystemExit(main())
