-- The day by its required time alone, as later days are compared with it: eleven numbers with blanks between
-- (`PlannedDigest`). NULL if the machine has no calendar.

ALTER TABLE day_digest ADD COLUMN required TEXT;
