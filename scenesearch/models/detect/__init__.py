"""Finding objects: pure box code beside the detector adapters."""
