"""What the system gives: child processes, locks, whole files, disk space, memory, time."""
