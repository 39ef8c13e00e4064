-- What a version is made of, as canonical JSON; NULL when it is part of the program or of a script.
ALTER TABLE version ADD COLUMN recipe TEXT;

CREATE INDEX version_runnable ON version (id) WHERE recipe IS NOT NULL;

-- For a training: the model that its result becomes a version of.
ALTER TABLE prediction ADD COLUMN destination TEXT;
