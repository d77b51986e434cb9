"""The engine as a process of its own, and the side of it that callers hold."""
