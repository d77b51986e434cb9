"""The engine: one set of models and one store, doing tasks for whoever asks, in any thread."""
