"""Long work over HTTP: manifests come in, jobs run, what they did is kept."""
