"""A Qdrant server, or its client's own memory."""
