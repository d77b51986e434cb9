"""Product files of shops as they are: each layout a small file that gives rows of ours."""
