"""What sees and reads: detectors, cutouts, embedders, text in photos, and their runtime."""
