"""What all pages of `sortal browse` stand on: the library, the run asked for, the templates."""
