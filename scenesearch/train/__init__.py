"""Fine-tuning on one's own products: the embedder on groups of photos, the detector on boxes."""
