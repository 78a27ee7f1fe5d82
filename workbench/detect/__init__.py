"""Labels for footage, from teachers and people; COCO datasets made of them; the student."""
