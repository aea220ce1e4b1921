"""One module a chapter, and the rooms that all chapters share."""
