"""What is said of settings beside whether they are valid."""
