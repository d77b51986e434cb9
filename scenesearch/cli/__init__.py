"""The command line. Importing it loads no model library."""
