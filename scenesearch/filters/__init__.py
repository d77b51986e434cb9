"""The filter language: text to conditions, and conditions to a verdict on a payload."""
