"""A question becomes an answer: regions, vectors, neighbours, ranking."""
