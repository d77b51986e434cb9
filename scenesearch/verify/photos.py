"""Photos that are kept for callers: each is what its name says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scenesearch.images.media_folder import EXTENSIONS
from scenesearch.verify.files import unused
from scenesearch.verify.report import Finding, Report, some


def check_photos(root: Path, *, deep: bool, repair: bool = False) -> Report:
    """Look through a folder of kept photos.

    Args:
        root: of the folder.
        deep: read every one; else see that none is empty.
        repair: set damaged ones aside, so that they are given, fetched or unpacked again.
    """
    endings = {f".{name}" for name in EXTENSIONS.values()}
    files = sorted(path for path in root.glob("??/*") if path.suffix in endings)
    wrong = [path for path in files if not _is_sound(path, deep=deep)]
    findings: tuple[Finding, ...] = ()
    if wrong:
        names = some([path.name for path in wrong])
        finding = Finding(str(root), "photo", f"{len(wrong)} photos are damaged: {names}")
        if repair:
            for path in wrong:
                path.rename(unused(path))
            finding = finding.mended("set aside; insert or index them again")
        findings = (finding,)
    return Report((f"{root}: {len(files)} photos",), findings)


def _is_sound(path: Path, *, deep: bool) -> bool:
    try:
        if not deep:
            return path.stat().st_size > 0
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    except OSError:
        return False
