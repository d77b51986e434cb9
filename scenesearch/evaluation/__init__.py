"""How good answers are: metrics over photos with known items, ablations, breakdowns."""
