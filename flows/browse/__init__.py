"""`sortal browse`: a workspace to look at in the browser, served by this machine to itself."""
