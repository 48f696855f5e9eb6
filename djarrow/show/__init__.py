"""What does a person see of it? Previews of queries, as text for a terminal and as HTML for a notebook."""
