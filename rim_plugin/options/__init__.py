"""Options files: what they may say (schema), how they are read, and how they are checked."""
