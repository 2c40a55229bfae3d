-- The configuration that a run was made with: two of them may give one name to different syncs.
ALTER TABLE {schema}runs ADD COLUMN project text NOT NULL DEFAULT '';
