-- What a user's own page lists, the newest first.
CREATE INDEX pods_of_an_owner ON pods (owner_id, created_at DESC, id DESC) WHERE destroyed_at IS NULL;
