-- What a run sorts images by, NULL: by all that they show; and the file that its terms come from.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS criterion VARCHAR;

ALTER TABLE runs ADD COLUMN IF NOT EXISTS vocabulary VARCHAR
