-- What a run knew besides images and general texts, in words; such a run has labels_used.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS supervision VARCHAR
