"""What several methods make of the same test images, side by side."""
