"""Tools that make what the package ships; not installed with it."""
