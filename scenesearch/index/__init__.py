"""A catalogue becomes points: what is to be done, done in batches, and what is learned of it."""
