"""Manifests to items, with errors by row."""
