"""A model hub in the layout of Hugging Face: what a file is known by, and its bytes.

``ENDPOINT/ORG/REPO/resolve/REVISION/PATH`` answers with the file, or with a redirect to where large
ones are kept. ``X-Linked-Etag`` is the sha256 of such a file, ``ETag`` the git hash of a small one,
and ``X-Repo-Commit`` the commit that both belong to. Interrupted transfers go on by ``Range``.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from scenesearch.core.errors import ModelError, NoSpaceError
from scenesearch.system.disk import is_full

HUGGING_FACE = "https://huggingface.co"
TIMEOUT_S = 30.0
"""Without a byte."""
TRIES = 5
"""Transfers without a byte more than the one before."""
WAIT_S = 1.0
"""Before the second; twice as long before each further one."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_BLOCK = 1 << 20
_FAILURES = (urllib.error.URLError, http.client.HTTPException, OSError)
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class HubError(ModelError):
    """A hub does not give what was asked for; ``code`` is ``hub_failed`` or a closer one."""

    code = "hub_failed"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a hub, as the hub describes it.

    Attributes:
        repository: organisation and name.
        commit: that it belongs to.
        path: in the repository.
        hub_hash: ``sha256:`` or ``git-sha1:``, and the hash.
        size: in bytes.
    """

    repository: str
    commit: str
    path: str
    hub_hash: str
    size: int

    def is_of(self, path: Path) -> bool:
        """Whether a file is this one, by the hub's own hash."""
        kind, _, wanted = self.hub_hash.partition(":")
        digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(usedforsecurity=False)
        if kind != "sha256":
            digest.update(f"blob {path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest() == wanted


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are ours to follow: their headers say what a file is known by."""

    def redirect_request(self, *_: Any) -> None:
        """Not followed."""
        return


class Hub:
    """Asks a hub.

    Args:
        endpoint: its address.
        wait_s: before a transfer that broke off goes on.
        timeout_s: without a byte.

    Raises:
        HubError: the endpoint is no address.
    """

    def __init__(
        self, endpoint: str = HUGGING_FACE, *, wait_s: float = WAIT_S, timeout_s: float = TIMEOUT_S
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise HubError(
                f"{endpoint!r} is no address of a hub: expected https://HOST, as {HUGGING_FACE}",
                code="bad_endpoint",
            )
        self.endpoint = endpoint.rstrip("/")
        self._secure = parts.scheme == "https"
        self._wait_s = wait_s
        self._timeout_s = timeout_s
        # proxies are those of the environment
        self._opener = urllib.request.build_opener(_Stay())

    def describe(self, repository: str, path: str, *, revision: str = "main") -> HubFile:
        """What a file is known by, without its bytes.

        Args:
            repository: organisation and name.
            path: in it.
            revision: branch, tag or commit.

        Raises:
            HubError: there is none, the hub gives no hash for it, or does not answer.
        """
        url = f"{self.endpoint}/{repository}/resolve/{quote(revision, safe='')}/{quote(path)}"
        what = f"{repository}, {path}"
        for _ in range(_MAX_REDIRECTS):
            with closing(self._patiently(url, what, "HEAD")) as answer:
                headers = answer.headers
                to = headers.get("Location")
                moved = answer.status in _REDIRECTS and to and not headers.get("X-Linked-Etag")
                if not moved:
                    return _described(what, repository, path, headers)
            # a repository of another name by now; the hub itself says so
            url = self._next(url, str(to), what)
        raise HubError(f"{what}: {self.endpoint} redirects more than {_MAX_REDIRECTS} times")

    def bring(
        self, file: HubFile, into: Path, progress: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        """Bring the bytes of a file, beginning with those that are there.

        Args:
            file: as it was described.
            into: a file of its own, which may hold the beginning; not checked here.
            progress: called with bytes that are there, and of how many.

        Raises:
            HubError: they do not come, or more or fewer than there are.
            NoSpaceError: the disk is full.
        """
        what = f"{file.repository}, {file.path}"
        tries = 0
        while True:
            before = into.stat().st_size if into.exists() else 0
            if before > file.size:
                into.unlink()
                continue
            if before == file.size:
                into.touch()
                progress(before, file.size)
                return
            try:
                self._transfer(file, into, before, progress)
            except _FAILURES as error:
                if isinstance(error, OSError) and is_full(error):
                    raise NoSpaceError(f"{into}: the disk is full; free some space") from error
                after = into.stat().st_size if into.exists() else 0
                tries = 0 if after > before else tries + 1
                if tries == TRIES or (
                    isinstance(error, urllib.error.HTTPError) and error.code not in _PASSING
                ):
                    raise HubError(
                        f"{what}: broke off at {after:,} of {file.size:,} bytes: {_reason(error)}; "
                        f"the same command goes on from there"
                    ) from error
                time.sleep(self._wait_s * 2**tries)

    def _transfer(
        self, file: HubFile, into: Path, start: int, progress: Callable[[int, int], None]
    ) -> None:
        url = f"{self.endpoint}/{file.repository}/resolve/{file.commit}/{quote(file.path)}"
        what = f"{file.repository}, {file.path}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        for _ in range(_MAX_REDIRECTS):
            with closing(self._ask(url, "GET", headers)) as answer:
                to = answer.headers.get("Location")
                if answer.status in _REDIRECTS and to:
                    url = self._next(url, to, what)
                    continue
                goes_on = answer.status == 206 and _begins_at(answer.headers, start)
                if answer.status not in (200, 206) or (answer.status == 206 and not goes_on):
                    raise urllib.error.URLError(f"an answer with status {answer.status}")
                done = start if goes_on else 0
                with into.open("ab" if goes_on else "wb") as part:
                    while block := answer.read(_BLOCK):
                        done += len(block)
                        if done > file.size:
                            raise HubError(
                                f"{what}: the hub sends more than the {file.size:,} bytes it named"
                            )
                        part.write(block)
                        progress(done, file.size)
                if done < file.size:
                    raise urllib.error.URLError(f"{done:,} of {file.size:,} bytes came")
                return
        raise HubError(f"{what}: {self.endpoint} redirects more than {_MAX_REDIRECTS} times")

    def _patiently(self, url: str, what: str, method: str) -> Any:
        """An answer, asked for again where the fault may pass."""
        for tries in range(TRIES):
            try:
                return self._ask(url, method, {"Accept-Encoding": "identity"})
            except _FAILURES as error:
                passing = not isinstance(error, urllib.error.HTTPError) or error.code in _PASSING
                if not passing or tries == TRIES - 1:
                    raise self._refused(what, error) from error
            time.sleep(self._wait_s * 2**tries)
        raise AssertionError("unreachable")

    def _ask(self, url: str, method: str, headers: Mapping[str, str]) -> Any:
        # only http and https get here: the endpoint's scheme and those of _next
        request = urllib.request.Request(  # noqa: S310
            url, headers={"User-Agent": "scenesearch", **headers}, method=method
        )
        try:
            return self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            if error.code in _REDIRECTS:
                return error
            raise

    def _next(self, url: str, to: str, what: str) -> str:
        """Where a redirect leads: never from https to less."""
        found = urljoin(url, to)
        allowed = ("https",) if self._secure else ("http", "https")
        if urlsplit(found).scheme not in allowed:
            raise HubError(f"{what}: redirected to {found[:200]!r}, expected {allowed[0]}")
        return found

    def _refused(self, what: str, error: BaseException) -> HubError:
        if not isinstance(error, urllib.error.HTTPError):
            return HubError(
                f"{what}: {self.endpoint} cannot be asked: {_reason(error)}; check the network, or "
                f"name a mirror (--endpoint, HF_ENDPOINT)"
            )
        closer = error.headers.get("X-Error-Code", "")
        if error.code == 404:
            gone = {"RepoNotFound": "repository", "RevisionNotFound": "revision"}
            return HubError(
                f"{what}: {self.endpoint} has no such {gone.get(closer, 'file')} (404)",
                code="hub_not_found",
            )
        if error.code in (401, 403):
            return HubError(
                f"{what}: {self.endpoint} gives it to none but whom it knows ({error.code}); get "
                f"it there yourself and put it into the folder of weights",
                code="hub_forbidden",
            )
        return HubError(f"{what}: {self.endpoint} answered with status {error.code}; try later")


def _described(what: str, repository: str, path: str, headers: Any) -> HubFile:
    """What the headers of an answer say of a file."""
    linked = headers.get("X-Linked-Etag")
    tag = _bare(linked or headers.get("ETag") or "")
    size = headers.get("X-Linked-Size") or headers.get("Content-Length") or ""
    commit = headers.get("X-Repo-Commit") or ""
    kind = {64: "sha256", 40: "git-sha1"}.get(len(tag), "")
    if not kind or not re.fullmatch("[0-9a-f]+", tag) or not size.isdigit() or not commit:
        raise HubError(
            f"{what}: the hub gives no hash, size or commit for it (got {tag[:80]!r}, {size!r}, "
            f"{commit[:80]!r}), and nothing is kept without: expected a hub in the layout of "
            f"{HUGGING_FACE}",
            code="hub_without_hash",
        )
    return HubFile(repository, commit, path, f"{kind}:{tag}", int(size))


def _bare(tag: str) -> str:
    """An entity tag without its mark and quotes."""
    return tag.removeprefix("W/").strip('"').lower()


def _begins_at(headers: Any, start: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__
