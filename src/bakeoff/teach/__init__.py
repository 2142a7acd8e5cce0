"""Cards, pictures, narratives, and the folder to hand in."""
