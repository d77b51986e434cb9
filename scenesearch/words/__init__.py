"""What people type, as values: colours, categories, a price, and the words that are left.

Pure rules, no model and no network; docs/words.md says what is understood.
"""

from scenesearch.words.parse import MAX_LENGTH, parse_words
from scenesearch.words.parsed import ParsedWords
from scenesearch.words.vocabulary import Vocabulary

__all__ = ["MAX_LENGTH", "ParsedWords", "Vocabulary", "parse_words"]
