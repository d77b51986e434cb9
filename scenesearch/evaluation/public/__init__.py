"""Public benchmarks of image retrieval: their layouts read, their metrics by their definitions."""
