"""HTML of product descriptions as plain text. Pure, of the standard library.

Tags become spaces or line ends, scripts and styles vanish, entities are read (twice at most, for
shops escape what is escaped), and characters that nobody sees are taken away.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_BLOCKS_TEXT = (
    "address article aside blockquote br dd div dl dt figure footer h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tbody td tfoot th thead tr ul"
)
_BLOCKS = frozenset(_BLOCKS_TEXT.split())
_SILENT = frozenset({"script", "style", "template", "noscript"})
_LOOKS_LIKE = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:[a-zA-Z]{2,8}|#[0-9]{1,6}|#x[0-9a-fA-F]+);")
_PLAIN = re.compile(r"[\x20-%'-;=-~]*")  # ASCII but for < and &
_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_SPACES = re.compile("[ \t\f\v\u00a0\u202f]+")
_LINES = re.compile(r" ?(?:\r\n|\r|\n)[\s]*")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of_html(text: str) -> str:
    r"""What a reader sees of it.

    >>> text_of_html("<p>Solid <b>ash</b></p><ul><li>H<sub>2</sub>O</li></ul>")
    'Solid ash\nH2O'
    """
    if _PLAIN.fullmatch(text) and "  " not in text:  # almost every title
        return text.strip()
    if _LOOKS_LIKE.search(text):
        parser = _Text()
        # an escaped document is HTML once it is unescaped: &lt;p&gt;
        source = html.unescape(text) if "&lt;" in text and "<" not in text else text
        parser.feed(source)
        parser.close()
        text = html.unescape("".join(parser.parts))
    text = _SPACES.sub(" ", _UNSEEN.sub("", text))
    return _LINES.sub("\n", text).strip()
