"""Whether what is stored is what was written, and making it so again."""
