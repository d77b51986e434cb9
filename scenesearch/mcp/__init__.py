"""Tools for agents: look, search and tag, by the Model Context Protocol."""
