"""Teachers that label footage, and the COCO datasets made of their labels."""
