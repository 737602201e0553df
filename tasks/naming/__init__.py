"""What each cluster is called, from the texts that hold its transport mass."""
