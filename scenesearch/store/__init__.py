"""Where points live: one protocol, several engines."""
