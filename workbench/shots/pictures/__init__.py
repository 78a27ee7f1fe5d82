"""What a shot looks like to people: overlay video, key frames, map, figures, a page."""
