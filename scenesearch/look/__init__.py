"""The answer to a photo, and how it is shown."""
