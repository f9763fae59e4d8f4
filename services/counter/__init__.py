"""Token counting: request bodies of any dialect, or plain text, for any model."""
