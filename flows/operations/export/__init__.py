"""`sortal export`: the images of a run by kind, as folders, tables and the formats of others."""
