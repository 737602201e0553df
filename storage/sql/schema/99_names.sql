-- How sure a name is; where no name was sure enough it is NULL, which views write as "unnamed 7".
ALTER TABLE clusters ADD COLUMN IF NOT EXISTS name_confidence FLOAT;

ALTER TABLE cluster_terms ADD COLUMN IF NOT EXISTS confidence FLOAT
