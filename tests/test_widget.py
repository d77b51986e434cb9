"""The widget as it is served: one script, small, for pages of any origin."""

from __future__ import annotations

import gzip
import re

import service_fakes as fakes

from scenesearch.service.http.routes.widget import FOLDER, PARTS


def test_it_is_one_script_that_needs_no_key_and_may_be_loaded_from_anywhere():
    app = fakes.app_with(read_keys=("a-read-key-0123456789",))
    answer = fakes.asked(app, path="/widget.js")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "max-age=300" in answer.headers["cache-control"]
    again = fakes.asked(app, path="/widget.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_it_is_at_most_30_kilobytes_compressed():
    answer = fakes.asked(fakes.app_with(), path="/widget.js")

    assert len(gzip.compress(answer.content, 9)) <= 30_000


def test_every_part_is_in_it_and_is_no_part_of_the_page():
    assert {path.name for path in FOLDER.iterdir()} == {*PARTS, "style.css"}
    assert fakes.asked(fakes.app_with(), path="/assets/widget/start.js").status_code == 404


def test_nothing_becomes_markup_or_code():
    text = fakes.asked(fakes.app_with(), path="/widget.js").text

    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in text
    assert not re.search(r"setAttribute\(\s*[\"']style", text)


def test_every_language_says_everything():
    text = (FOLDER / "texts.js").read_text(encoding="utf-8")
    languages = dict(re.findall(r"^  (\w\w): \{(.*?)^  \},", text, re.MULTILINE | re.DOTALL))
    said = {code: set(re.findall(r"(\w+): \"", body)) for code, body in languages.items()}

    assert set(said) == {"en", "de", "fr", "es", "ar"}
    assert all(names == said["en"] for names in said.values())
    used = set(re.findall(r"texts\.(\w+)", "".join((FOLDER / p).read_text("utf-8") for p in PARTS)))
    assert used == said["en"]
