-- What the values of a session amounted to when central confirmed them, at `synced_revision`: central
-- computes the same of what it holds. NULL where an earlier release noted the confirmation.

ALTER TABLE session ADD COLUMN synced_digest BLOB;
