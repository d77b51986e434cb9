"""Photos by the folder, each searched in the catalogue: a table of what was found."""
