"""When actions happen in long videos: dense scores, spots, and how good they are."""
