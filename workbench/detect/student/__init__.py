"""The student: RF-DETR, fine-tuned on a teacher's labels, and what it predicts."""
