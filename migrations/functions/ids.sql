-- What stands for an id where an insert names none.
CREATE OR REPLACE FUNCTION pinacle.pinacle_id(prefix text) RETURNS text
LANGUAGE sql VOLATILE
RETURN prefix || '_' || replace(gen_random_uuid()::text, '-', '');
