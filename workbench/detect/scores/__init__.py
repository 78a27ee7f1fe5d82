"""Scores of detections: COCO metrics, labels against truth, matches."""
