"""Importing this registers every command."""

from scenesearch.cli import (  # noqa: F401
    complete_command,
    demo_command,
    doctor_command,
    dupes_command,
    eval_command,
    index_command,
    items_commands,
    mcp_command,
    models_commands,
    scenes_command,
    search_commands,
    serve_command,
    sync_command,
    tag_command,
    train_command,
)
