-- What a batch counts for, written with it: so a run whose process died can be told as it was.
ALTER TABLE {schema}journal_batches ADD COLUMN created {bigint} NOT NULL DEFAULT 0;
ALTER TABLE {schema}journal_batches ADD COLUMN updated {bigint} NOT NULL DEFAULT 0;
ALTER TABLE {schema}journal_batches ADD COLUMN deleted {bigint} NOT NULL DEFAULT 0;
