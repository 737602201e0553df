"""The methods of training, a module each; `heads/registry.py` finds them by name."""
