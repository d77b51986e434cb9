"""The sample that comes with the package: searched, and served on a first start."""
