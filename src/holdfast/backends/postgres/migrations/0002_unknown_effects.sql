-- What nobody knows the outcome of, for the list that people look at.

CREATE INDEX effects_unknown ON effects (changed_at_ns, key) WHERE state = 'unknown';
