"""One offline HTML page: its look, its content policy and how it writes times and sizes."""
