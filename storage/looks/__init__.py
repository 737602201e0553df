"""What is made of pictures for people, as rows of the lake."""
