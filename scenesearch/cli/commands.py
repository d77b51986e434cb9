"""Importing this registers every command."""

from scenesearch.cli import (  # noqa: F401
    demo_command,
    doctor_command,
    eval_command,
    index_command,
    items_commands,
    models_commands,
    search_commands,
)
