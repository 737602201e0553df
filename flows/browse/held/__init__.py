"""What `sortal browse` holds in memory: answers, searches, vectors, pictures that were sent."""
