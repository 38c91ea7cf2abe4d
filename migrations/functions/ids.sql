-- The id of a row where an insert gives none.
CREATE OR REPLACE FUNCTION pinacle.pinacle_id(prefix text) RETURNS text
LANGUAGE sql VOLATILE
RETURN prefix || '_' || replace(gen_random_uuid()::text, '-', '');
