"""What the service itself remembers, in one SQLite file: jobs, their records, feedback."""

from scenesearch.service.state.state import State

__all__ = ["State"]
