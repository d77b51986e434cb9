"""Write what the image is made of: THIRD_PARTY.md with every licence, and a bill in CycloneDX.

``python tools/bill.py WHEELS`` reads ``requirements.lock``, the wheels that it names out of a
folder (``pip download -r requirements.lock --no-deps --require-hashes -d WHEELS``) and the manifest
of models, and writes THIRD_PARTY.md and sbom.cdx.json. ``--check`` needs no wheels: it says whether
both name what is locked.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCK, TABLE, BILL = ROOT / "requirements.lock", ROOT / "THIRD_PARTY.md", ROOT / "sbom.cdx.json"
DIGEST = "Sha256"
"""Beside what a wheel says of itself."""
HEAD = """\
# What ships with scenesearch, and under which licences

scenesearch itself: AGPL-3.0-or-later ([LICENSE](LICENSE)). Made by `python tools/bill.py`: change
nothing here. The same as CycloneDX: [sbom.cdx.json](sbom.cdx.json).

## In the package

The page has two libraries in `scenesearch/service/page/vendor/htm-preact.js`.

| what | licence | from |
|---|---|---|
| htm | [Apache-2.0](scenesearch/service/page/vendor/htm-LICENSE.txt) | developit/htm |
| Preact | [MIT](scenesearch/service/page/vendor/preact-LICENSE.txt) | preactjs/preact |
| DejaVu Sans | [its own](scenesearch/_data/fonts/DejaVu-LICENSE.txt) | dejavu-fonts.github.io |
| the sample | [credits](scenesearch/_data/sample/CREDITS.md) | rendered here |
"""
PACKAGES = """
## In the image, beside Debian and Python

Each package brings the text of its licence in its `dist-info` folder under
`/opt/venv/lib/python3.11/site-packages`. Debian's lie in `/usr/share/doc/*/copyright`.

| package | version | licence | from |
|---|---|---|---|
"""


def locked() -> dict[str, str]:
    """Version of each package of the lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", LOCK.read_text("utf-8"), re.M))


def metadata_of(wheels: Path) -> dict[str, Message]:
    """What each wheel says of itself, and its digest, by normalised name."""
    found = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (
                one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one)
            )
            said = Parser().parsestr(archive.read(name).decode("utf-8"))
        said[DIGEST] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        found[re.sub(r"[-_.]+", "-", said["Name"]).lower()] = said
    return found


def licence_of(said: Message) -> str:
    """The licence that a package declares, as short as it does."""
    if said["License-Expression"]:
        return str(said["License-Expression"])
    classified = [
        one.rpartition(" :: ")[2]
        for one in said.get_all("Classifier", [])
        if one.startswith("License ::") and not one.endswith("OSI Approved")
    ]
    written = str(said["License"] or "").strip()
    if written and "\n" not in written and len(written) < 60:
        return written
    if classified:
        return ", ".join(classified)
    raise SystemExit(
        f"{said['Name']} declares no licence; look at its files and write it down here"
    )


def home_of(said: Message) -> str:
    """Where a package says that it lives."""
    links = dict(one.split(", ", 1) for one in said.get_all("Project-URL", []))
    by_name = {name.lower(): url for name, url in links.items()}
    for name in ("source", "source code", "repository", "github", "homepage", "home"):
        if name in by_name:
            return str(by_name[name])
    return str(
        said["Home-page"] or next(iter(links.values()), f"https://pypi.org/p/{said['Name']}")
    )


def own_models() -> list[dict[str, Any]]:
    """The models of the manifest that lie in the wheel."""
    manifest = yaml.safe_load((ROOT / "models" / "manifest.yaml").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    return [one for one in manifest if one.get("file") and f'"models/{one["file"]}" =' in project]


def table(said: dict[str, Message]) -> str:
    """THIRD_PARTY.md."""
    models = (
        f"| model {model['name']} | {model['licence']} | <{model['source']}> |\n"
        for model in own_models()
    )
    packages = (
        f"| {name} | {version} | {licence_of(said[name])} | <{home_of(said[name])}> |\n"
        for name, version in locked().items()
    )
    return "".join((HEAD, *models, PACKAGES, *packages))


def bill(said: dict[str, Message]) -> dict[str, Any]:
    """CycloneDX 1.6; the same lock gives the same bill."""
    components: list[dict[str, Any]] = []
    for name, version in locked().items():
        purl = f"pkg:pypi/{name}@{version}"
        components.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "licenses": [{"license": {"name": licence_of(said[name])}}],
                "externalReferences": [
                    {
                        "type": "distribution",
                        "url": f"https://pypi.org/project/{name}/{version}/",
                        "hashes": [{"alg": "SHA-256", "content": said[name][DIGEST]}],
                    }
                ],
            }
        )
    components += (
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{model['name']}",
            "name": model["name"],
            "licenses": [{"license": {"name": model["licence"]}}],
            "hashes": [{"alg": "SHA-256", "content": one} for one in model["sha256"]],
        }
        for model in own_models()
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, LOCK.read_text('utf-8'))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "scenesearch",
                "name": "scenesearch",
                "licenses": [{"license": {"id": "AGPL-3.0-or-later"}}],
            }
        },
        "components": components,
    }


def stale() -> list[str]:
    """What of the lock and the models the two files do not name as it is."""
    text = TABLE.read_text("utf-8")
    known = {
        (one["name"], one.get("version"))
        for one in json.loads(BILL.read_text("utf-8"))["components"]
    }
    wanted = set(locked().items())
    wanted |= {(model["name"], None) for model in own_models()}
    rows = set(re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \|", text, re.M))
    rows |= {(name, None) for name in re.findall(r"^\| model (\S+) \|", text, re.M)}
    return sorted(str(one) for one in (known ^ wanted) | (rows ^ wanted))


def main() -> int:
    """Write both, or say what is out of date."""
    if sys.argv[1:] == ["--check"]:
        wrong = stale()
        sys.stdout.write("".join(f"out of date: {one}\n" for one in wrong))
        return int(bool(wrong))
    said = metadata_of(Path(sys.argv[1]))
    TABLE.write_text(table(said), "utf-8")
    BILL.write_text(json.dumps(bill(said), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
