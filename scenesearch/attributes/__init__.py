"""What a region looks like in words and numbers: colours, hashes, position."""
