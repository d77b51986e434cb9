"""The page's modules: what they import is there, and the pure ones do what they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scenesearch.attributes.names import VOCABULARY
from scenesearch.service.http.routes.page import PAGE

NODE = shutil.which("node")
MODULES = sorted((PAGE / "js").rglob("*.js"))


@pytest.mark.skipif(NODE is None, reason="node is not on this machine")
def test_the_pure_modules_pass_their_own_tests(tmp_path: Path) -> None:
    shutil.copytree(PAGE / "js", tmp_path / "js")
    shutil.copy(Path(__file__).with_name("page_modules.test.mjs"), tmp_path)
    # without a build step nothing else tells node that .js files are modules here
    (tmp_path / "package.json").write_text('{"type": "module"}')

    done = subprocess.run(
        [NODE, "--test", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout[-4000:]
    ran = re.search(r"^# pass (\d+)", done.stdout, re.MULTILINE)
    assert ran is None or int(ran.group(1)) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_a_module_imports_what_is_there_and_nothing_else(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for target in re.findall(
        r"""^(?:import|export)\b[^;]*?from\s+["']([^"']+)["']""", source, re.M
    ):
        assert target.startswith("."), f"{target}: the page has no bundler"
        assert (path.parent / target).resolve().is_file(), target


@pytest.mark.skipif(NODE is None, reason="node is not on this machine")
def test_every_module_can_be_parsed() -> None:
    # one process for all; theme.js is a classic script, which is a module as well
    parse = """
        const {readFileSync} = require("node:fs"), {SourceTextModule} = require("node:vm");
        for (const path of process.argv.slice(1))
            new SourceTextModule(readFileSync(path, "utf8"), {identifier: path});
    """
    command = [NODE, "--experimental-vm-modules", "-e", parse, *map(str, MODULES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r"^  (\w+): \"M", (PAGE / "js/parts/icons.js").read_text(), re.M))
    named = set()
    for path in MODULES:
        named |= set(re.findall(r"""(?:name=|icon=)"(\w+)" ?/?>""", path.read_text("utf-8")))

    assert named
    assert named - {"preset", "objects"} <= drawn


def test_colour_families_are_those_of_the_vocabulary() -> None:
    source = (PAGE / "js/colours.js").read_text(encoding="utf-8")
    table = source[: source.index("];")]
    found = re.findall(r'name: "([^"]+)",\s+hex: "#(\w+)",\s+names: \[([^\]]*)\]', table)
    families: dict[str, list[str]] = {}
    for colour in VOCABULARY:
        families.setdefault(colour.family, []).append(colour.name)

    assert {name: re.findall(r'"([^"]+)"', names) for name, _, names in found} == families
    typical = {anchor for colour in VOCABULARY for anchor in colour.anchors}
    assert {hex_ for _, hex_, _ in found} <= typical
