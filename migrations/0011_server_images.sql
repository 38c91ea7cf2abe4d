-- The images that the workers have fetched to a server: what nobody uses of them goes when its disk is short.
CREATE TABLE server_images (
    server_id  text        NOT NULL REFERENCES servers ON DELETE CASCADE,
    image      text        NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (server_id, image)
);
