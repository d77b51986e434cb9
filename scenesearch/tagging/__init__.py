"""Batch tagging: photos from anywhere to rows, streamed, resumable, one row a photo."""
