"""From whole videos to highlights, and at which stage a highlight is lost."""
