"""Any video file: exact frames, clips, the frame store."""
