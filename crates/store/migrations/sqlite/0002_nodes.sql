-- What a node does, and the versions that it runs, with spaces between them.

ALTER TABLE node ADD COLUMN roles TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN versions TEXT NOT NULL DEFAULT '';
