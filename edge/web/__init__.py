"""What every page of the edge is made with: languages, templates, static files, safe headers."""
