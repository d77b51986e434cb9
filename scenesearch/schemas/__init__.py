"""What the service reads and what it sends, field by field: the source of the OpenAPI text."""
