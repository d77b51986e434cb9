"""The service: REST and a web page over an engine."""
