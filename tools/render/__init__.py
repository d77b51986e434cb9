"""Rendered furniture; see README.md."""
