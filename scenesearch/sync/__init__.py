"""A catalogue that changes: a plan, an audit of it, and the run that follows it."""
