"""scenesearch: find every object of a photo in your catalogue."""

__version__ = "0.1.0"
