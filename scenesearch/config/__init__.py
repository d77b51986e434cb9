"""Settings of everything, and the one place where an option is declared."""
