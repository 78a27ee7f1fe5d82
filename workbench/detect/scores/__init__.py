"""How good detections are: COCO's numbers, labels against truth, who met whom."""
