"""The methods of training, a module each, called as `head.method` is."""
