"""Whether a search by one word, as people say it, begins with things of that kind.

For each word of a list, the share of the first five answers whose category (or title) the list's
pattern accepts. Catalogue, store and profile are arguments; the list is committed apart from them
and is never used in ranking.
"""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path

import yaml
from measure import Report, parser

from scenesearch import SceneSearch

FIRST = 5
GOAL = 0.95


def main() -> int:
    made = parser(__doc__)
    made.add_argument("store", help="an indexed furniture catalogue")
    made.add_argument("--config", default="offline")
    made.add_argument(
        "--words", type=Path, default=Path(__file__).with_name("furniture_words.yaml")
    )
    made.add_argument("--show", action="store_true", help="print what each word begins with")
    arguments = made.parse_args()
    words = yaml.safe_load(arguments.words.read_text("utf-8"))
    report = Report(f"{len(words)} words as people say them, first {FIRST}")
    report.facts["profile"] = arguments.config
    shares = []
    with SceneSearch(arguments.store, config=arguments.config) as shop:
        for word, pattern in words.items():
            first = shop.search(word, limit=FIRST).matches
            kinds = [
                str(one.attributes.get("category") or one.attributes.get("title")) for one in first
            ]
            right = [bool(re.search(pattern, kind, re.IGNORECASE)) for kind in kinds]
            # fewer than five answers are no fault where all are right
            shares.append(sum(right) / len(right) if right else 0.0)
            if arguments.show:
                print(f"{shares[-1]:.1f} {word}: {', '.join(kinds)}", file=sys.stderr)
    report.add_least("of the right kind", statistics.mean(shares), at_least=GOAL)
    report.add("words with five of five", sum(share == 1 for share in shares))
    report.print(as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
