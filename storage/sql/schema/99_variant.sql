-- How a run's settings differ from its method's: an experiment has a name of its own.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS variant VARCHAR
