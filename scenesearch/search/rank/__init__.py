"""From hits to a ranked answer: pure functions on arrays."""
