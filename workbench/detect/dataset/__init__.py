"""COCO datasets: written, checked, imported, corrected, thinned, and looked at."""
