"""The pages of `sortal browse`: a module an address, each asks the lake and fills a template."""
