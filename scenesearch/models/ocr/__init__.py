"""Text in photos: readers and the order their lines are given in."""
