-- The span that caused the prediction, as a traceparent; NULL when nobody traces it.
ALTER TABLE prediction ADD COLUMN trace TEXT;
