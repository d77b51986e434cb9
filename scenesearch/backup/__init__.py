"""Backups: collections, what the service remembers, and photos of inserted items, as one."""

from scenesearch.backup.make import BackedUp, back_up
from scenesearch.backup.manifest import Manifest, read_manifest
from scenesearch.backup.restore import Restored, check, check_embedded, restore

__all__ = [
    "BackedUp",
    "Manifest",
    "Restored",
    "back_up",
    "check",
    "check_embedded",
    "read_manifest",
    "restore",
]
