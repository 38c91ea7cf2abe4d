INSERT INTO server_images (server_id, image) VALUES ('server_06', 'pinacledev/pinacle-base'), ('server_01', 'node:22');
